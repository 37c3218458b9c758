import { quat, vec3 } from 'gl-matrix';
import type { Quaternion, Vector3 } from '../core/vector.js';

/** p_parent = R p_child + t. Translation in metres, rotation a unit quaternion. */
export interface Transform {
  readonly translation: Vector3;
  readonly rotation: Quaternion;
}

export const IDENTITY: Transform = { translation: [0, 0, 0], rotation: [0, 0, 0, 1] };

export function transformPoint({ translation, rotation }: Transform, point: Vector3): Vector3 {
  const moved: [number, number, number] = [0, 0, 0];
  vec3.transformQuat(moved, point, rotation);
  return vec3.add(moved, moved, translation);
}

/** First `inner`, then `outer`: compose(a from b, b from c) = a from c. */
export function compose(outer: Transform, inner: Transform): Transform {
  return {
    translation: transformPoint(outer, inner.translation),
    rotation: quat.multiply([0, 0, 0, 1], outer.rotation, inner.rotation),
  };
}

export function invert(transform: Transform): Transform {
  const rotation = quat.conjugate([0, 0, 0, 1], transform.rotation);
  const translation = vec3.transformQuat([0, 0, 0], transform.translation, rotation);
  return { translation: vec3.negate(translation, translation), rotation };
}

/** Linear in translation, spherical in rotation, the short way round. Fraction 0 gives a, 1 gives b. */
export function interpolate(a: Transform, b: Transform, fraction: number): Transform {
  const rotation = quat.slerp([0, 0, 0, 1], a.rotation, b.rotation, fraction);
  return {
    translation: vec3.lerp([0, 0, 0], a.translation, b.translation, fraction),
    // Between rotations that are less than 0.003 rad apart slerp interpolates linearly, which leaves the unit length by a little.
    rotation: quat.normalize(rotation, rotation),
  };
}
