/** What the published robot policy sends for one action: joint positions, radians, and the gripper's command, 0 open to 255 closed. */
export interface ReferenceCommand {
  readonly arm: readonly number[];
  readonly gripper: number;
}

/** Radians; the published policies move no joint further from where it is measured in one step. */
export const MAX_DELTA_RAD = 0.2;

/**
 * `uniform`: all joints are scaled by one factor, so that the direction is kept (MolmoBot's code). `per-joint`: each is clipped on its own (the
 * wording of its paper).
 */
export type DeltaRule = 'uniform' | 'per-joint';

/** Gripper commands above it close. */
const GRIPPER_THRESHOLD = 128;
const GRIPPER_CLOSED = 255;

/** What a gripper command means. */
export function isClosing(gripper: number): boolean {
  return gripper > GRIPPER_THRESHOLD;
}

/**
 * MolmoBot's clamp (`RealRobotVLAPolicy`): no joint of a target is further from its measured position than `maxDeltaRad`, radians.
 * @param maxDeltaRad for all joints, or one for each.
 */
export function clampToMeasured(
  target: ArrayLike<number>,
  measured: ArrayLike<number>,
  maxDeltaRad: number | readonly number[],
  rule: DeltaRule = 'uniform',
): number[] {
  const most = (j: number): number => (typeof maxDeltaRad === 'number' ? maxDeltaRad : maxDeltaRad[j]!);
  const deltas = Array.from({ length: measured.length }, (_, j) => target[j]! - measured[j]!);
  if (rule === 'per-joint')
    return deltas.map((delta, j) => measured[j]! + Math.min(most(j), Math.max(-most(j), delta)));
  let excess = 1;
  deltas.forEach((delta, j) => {
    excess = Math.max(excess, Math.abs(delta) / most(j));
  });
  return deltas.map((delta, j) => (excess > 1 ? measured[j]! + delta / excess : target[j]!));
}

/**
 * How many times too far each joint of a target is from where it is expected, by the same rule; 1 where it is near enough.
 * @param steps of the policy until then, each of which allows the largest distance anew. @param excess is written.
 */
export function deltaExcess(
  target: ArrayLike<number>,
  expected: ArrayLike<number>,
  {
    maxDeltaRad,
    deltaRule,
  }: { readonly maxDeltaRad: number | readonly number[] | null; readonly deltaRule: DeltaRule },
  steps: number,
  excess: Float64Array,
): void {
  let most = 1;
  for (let j = 0; j < target.length; j++) {
    const allowed = maxDeltaRad === null ? Infinity : typeof maxDeltaRad === 'number' ? maxDeltaRad : maxDeltaRad[j]!;
    excess[j] = Math.max(1, Math.abs(target[j]! - expected[j]!) / (steps * allowed));
    most = Math.max(most, excess[j]!);
  }
  if (deltaRule === 'uniform') excess.fill(most);
}

export interface ReferenceOptions {
  /** What an action's joints are: positions, or changes of the measured ones. */
  readonly actions?: 'joint_pos' | 'joint_pos_rel';
  /** Null switches the clamp off. */
  readonly maxDeltaRad?: number | readonly number[] | null;
  /** Part of the way from the measured joints that is gone (`action_scale` of the published client). */
  readonly scale?: number;
  /** The gripper's command is passed on as it is. */
  readonly rawGripper?: boolean;
}

/**
 * The command that the published robot policy makes of one action.
 * @param action arm joints, then the gripper. @param measured arm joints.
 */
export function referenceCommand(
  action: ArrayLike<number>,
  measured: ArrayLike<number>,
  { actions = 'joint_pos', maxDeltaRad = MAX_DELTA_RAD, scale = 1, rawGripper = false }: ReferenceOptions = {},
): ReferenceCommand {
  const joints = action.length - 1;
  const given = Array.from({ length: joints }, (_, j) => action[j]!);
  const absolute = actions === 'joint_pos' ? given : given.map((delta, j) => measured[j]! + delta);
  const arm =
    maxDeltaRad === null
      ? absolute
      : clampToMeasured(
          absolute,
          Array.from({ length: joints }, (_, j) => measured[j]!),
          maxDeltaRad,
        );
  const gripper = action[joints]!;
  return {
    arm: scale === 1 ? arm : arm.map((q, j) => measured[j]! + scale * (q - measured[j]!)),
    gripper: rawGripper ? gripper : isClosing(gripper) ? GRIPPER_CLOSED : 0,
  };
}
