import { vec3 } from 'gl-matrix';
import type { Arm } from '../core/arm.js';
import type { Limits } from '../execution/limiter.js';
import { timePath } from '../execution/timed-path.js';
import { interpolate, type Transform } from '../geometry/transform.js';
import { followPoses, toolPose } from './inverse-kinematics.js';

/** An arm that is led by the tool. */
export interface ToolArm {
  readonly arm: Arm;
  /** At the period of the commands. */
  readonly limits: Limits;
  /** Tool centre from the flange. */
  readonly tool: Transform;
}

/** Distance of the poses that a straight way is made of, metres. */
const STEP_M = 0.01;
const LEAST_STEPS = 4;
const LEAST_S = 0.5;

/**
 * Commands that lead the tool straight to a pose, from rest to rest within all limits, one for each period; the first is a period from now.
 * @param joints where the arm stands, radians. @param speed of the tool, metres a second. @throws InputError `plan.*`.
 */
export function straightTo(
  { arm, limits, tool }: ToolArm,
  joints: readonly number[],
  goal: Transform,
  speed: number,
): readonly (readonly number[])[] {
  const from = toolPose(joints, tool);
  const way = vec3.distance(from.translation, goal.translation);
  const steps = Math.max(LEAST_STEPS, Math.ceil(way / STEP_M));
  const poses = Array.from({ length: steps }, (_, i) => interpolate(from, goal, (i + 1) / steps));
  const { positions } = followPoses(arm, poses, joints, { tool });
  return timed(limits, positions, Math.max(way / speed, LEAST_S) / steps);
}

/** Commands along joint positions that are so many seconds apart, from rest to rest; the first is a period from now. @throws InputError `plan.*`. */
export function timed(
  limits: Limits,
  path: readonly (readonly number[])[],
  stepS: number,
): readonly (readonly number[])[] {
  // A path of much finer steps than commands would only be sampled.
  return timePath(limits, path, Math.max(stepS, limits.options.periodS / 8)).positions.slice(1);
}

/** The same pose so many metres higher, in a frame whose z points up. */
export function raised({ translation: [x, y, z], rotation }: Transform, by: number): Transform {
  return { translation: [x, y, z + by], rotation };
}
