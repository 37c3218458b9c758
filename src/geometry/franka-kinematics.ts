import { quat, vec3 } from 'gl-matrix';
import { ConfigurationError } from '../core/errors.js';
import type { Quaternion, Vector3 } from '../core/vector.js';
import { compose, IDENTITY, type Transform } from './transform.js';

/** Modified (Craig) DH rows a, d, alpha of joints 1 to 7; metres and radians. Published by Franka, the same for FR3 and Panda. */
export const FRANKA_DH: readonly (readonly [a: number, d: number, alpha: number])[] = [
  [0, 0.333, 0],
  [0, 0, -Math.PI / 2],
  [0, 0.316, Math.PI / 2],
  [0.0825, 0, Math.PI / 2],
  [-0.0825, 0.384, -Math.PI / 2],
  [0, 0, Math.PI / 2],
  [0.088, 0, Math.PI / 2],
];

/** Flange from link 7. */
const FLANGE: Transform = { translation: [0, 0, 0.107], rotation: [0, 0, 0, 1] };

/** Tool centre of the Franka hand from the flange; other grippers have their own. */
export const FRANKA_HAND_TCP: Transform = {
  translation: [0, 0, 0.1034],
  rotation: [0, 0, Math.sin(-Math.PI / 8), Math.cos(-Math.PI / 8)],
};

export interface ArmPose {
  /** Link frames 1 to 7 in the base frame (link 0). */
  readonly links: readonly Transform[];
  readonly flange: Transform;
}

/** Forward kinematics of FR3 and Panda. q: 7 joint angles, radians. Poses in the base frame, metres. */
export function forwardKinematics(q: readonly number[]): ArmPose {
  if (q.length !== FRANKA_DH.length || !q.every(Number.isFinite)) {
    throw new ConfigurationError({
      code: 'kinematics.joints',
      message: `forward kinematics needs 7 finite joint angles, not [${q.join(', ')}]`,
      remedy: 'pass the arm joints in order 1 to 7, radians',
    });
  }
  const links: Transform[] = [];
  let pose = IDENTITY;
  FRANKA_DH.forEach(([a, d, alpha], i) => {
    // Craig: rotate alpha about x, move a along x, rotate theta about z, move d along z.
    const aboutX: Quaternion = [Math.sin(alpha / 2), 0, 0, Math.cos(alpha / 2)];
    const aboutZ: Quaternion = [0, 0, Math.sin(q[i]! / 2), Math.cos(q[i]! / 2)];
    const [, y, z] = vec3.transformQuat([0, 0, 0], [0, 0, d], aboutX);
    pose = compose(pose, { translation: [a, y, z], rotation: quat.multiply([0, 0, 0, 1], aboutX, aboutZ) });
    links.push(pose);
  });
  return { links, flange: compose(pose, FLANGE) };
}

/**
 * Geometric Jacobian of a point fixed to link 7, base frame: six rows (linear x y z in m/rad, angular x y z), seven columns.
 * @param point position of the point in the base frame, metres; the flange's origin when left out.
 */
export function jacobian(pose: ArmPose, point: Vector3 = pose.flange.translation): readonly (readonly number[])[] {
  const rows: number[][] = [[], [], [], [], [], []];
  for (const link of pose.links) {
    const axis = vec3.transformQuat([0, 0, 0], [0, 0, 1], link.rotation);
    const lever = vec3.subtract([0, 0, 0], point, link.translation);
    const linear = vec3.cross([0, 0, 0], axis, lever);
    [...linear, ...axis].forEach((value, row) => rows[row]!.push(value));
  }
  return rows;
}
