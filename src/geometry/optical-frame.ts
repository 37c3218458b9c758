import { quat, vec3 } from 'gl-matrix';
import type { Quaternion, Vector3 } from '../core/vector.js';

/** Rotation of an optical frame (x right, y down, z forward) that looks along `forward`. @param up any direction that is up in the picture. */
export function opticalRotation(forward: Vector3, up: Vector3): Quaternion {
  const z = vec3.normalize([0, 0, 0], forward);
  const x = vec3.cross([0, 0, 0], z, up);
  vec3.normalize(x, x);
  const y = vec3.cross([0, 0, 0], z, x);
  const rotation = quat.fromMat3([0, 0, 0, 1], [...x, ...y, ...z]);
  return quat.normalize(rotation, rotation);
}
