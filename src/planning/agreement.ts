import { vec3 } from 'gl-matrix';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Forecast } from '../core/forecast.js';
import { toSeconds } from '../core/time.js';
import { compose, IDENTITY, interpolate, invert, type Transform } from '../geometry/transform.js';
import { toolPose } from './inverse-kinematics.js';
import { rigidMotionOf, type RigidMotionOptions } from './rigid-motion.js';

/** Where a gripper that holds the forecast object should be, over time. */
export interface CarriedPath {
  readonly forecast: Forecast;
  /** Pose of the tool centre in the arm's base at a time, seconds after the forecast's t0; null behind the forecast's end. */
  readonly at: (seconds: number) => Transform | null;
}

/** How far a policy's plan is from what the forecast says of the object in its gripper. */
export interface Agreement {
  readonly meanM: number;
  readonly maxM: number;
  /** Steps of the chunk that the forecast covers. */
  readonly steps: number;
}

/**
 * @param joints of the arm at t0, radians. @param cameraInBase pose of the forecast's frame. @param tool tool centre from the flange.
 * @throws InputError `plan.points`, `plan.not-rigid`.
 */
export function carriedPath(
  forecast: Forecast,
  joints: readonly number[],
  cameraInBase: Transform,
  tool: Transform,
  options: RigidMotionOptions = {},
): CarriedPath {
  const { motions } = rigidMotionOf(forecast.start, forecast.positions, options);
  const held = toolPose(joints, tool);
  const baseInCamera = invert(cameraInBase);
  return {
    forecast,
    at: (seconds) => {
      const steps = seconds / forecast.stepS;
      if (steps < 0 || steps > motions.length + 1e-6) return null;
      const before = Math.min(Math.floor(steps + 1e-6), motions.length - 1);
      const from = before === 0 ? IDENTITY : motions[before - 1]!;
      const motion = interpolate(from, motions[before]!, Math.min(1, Math.max(0, steps - before)));
      return compose(compose(cameraInBase, compose(motion, baseInCamera)), held);
    },
  };
}

/** Distance between the gripper's way by a chunk and by a forecast; null where they do not overlap. A chunk of another arm has no way here. */
export function agreementOf(chunk: ActionChunk, path: CarriedPath, tool: Transform): Agreement | null {
  const since = toSeconds(chunk.stamp - path.forecast.stamp);
  const distances = chunk.steps.flatMap((step, k) => {
    const wanted = path.at(since + (k + 1) * chunk.stepS);
    if (!wanted || step.length !== 8) return [];
    const planned = toolPose(step.slice(0, 7), tool).translation;
    return [vec3.distance(planned, wanted.translation)];
  });
  if (distances.length === 0) return null;
  return {
    meanM: distances.reduce((sum, d) => sum + d, 0) / distances.length,
    maxM: distances.reduce((most, d) => Math.max(most, d), 0),
    steps: distances.length,
  };
}
