/** What the published robot policy sends for one action: absolute joint positions, radians, and the gripper's command, 0 open to 255 closed. */
export interface ReferenceCommand {
  readonly arm: readonly number[];
  readonly gripper: number;
}

/** Radians; the published policies move no joint further from where it is measured in one step. */
export const MAX_DELTA_RAD = 0.2;

/** Gripper commands above it close. */
const GRIPPER_THRESHOLD = 128;
const GRIPPER_CLOSED = 255;

const f = Math.fround;

/**
 * MolmoBot's clamp (`RealRobotVLAPolicy`, joint_pos): all joints are scaled by one factor, so that the one that moves most moves `maxDeltaRad` from
 * its measured position and the direction is kept; the gripper is thresholded. float32, as the reference.
 * @param action joint positions, then the gripper. @param measured joint positions.
 */
export function referenceCommand(
  action: ArrayLike<number>,
  measured: ArrayLike<number>,
  maxDeltaRad = MAX_DELTA_RAD,
): ReferenceCommand {
  const joints = action.length - 1;
  const deltas = Array.from({ length: joints }, (_, j) => f(f(action[j]!) - f(measured[j]!)));
  const excess = Math.max(...deltas.map((delta) => f(Math.abs(delta) / f(maxDeltaRad))));
  return {
    arm: deltas.map((delta, j) => (excess > 1 ? f(f(measured[j]!) + f(delta / excess)) : f(action[j]!))),
    gripper: isClosing(action[joints]!) ? GRIPPER_CLOSED : 0,
  };
}

/** What a gripper command means. */
export function isClosing(gripper: number): boolean {
  return gripper > GRIPPER_THRESHOLD;
}
