import type { JointTrajectory } from '../bus/messages.js';
import { fromTimeMessage, type Nanoseconds } from '../core/time.js';

export interface RefusalRules {
  readonly joints: readonly string[];
  /** `allow_nonzero_velocity_at_trajectory_end`. */
  readonly allowsMovingEnd: boolean;
}

/** What counts as no velocity: `numeric_limits<float>::epsilon()`. */
const STILL_RAD_S = 1.1920929e-7;

/**
 * Why a joint_trajectory_controller with a position interface does not take a message; null where it does. NaN, limits and the distance from where the
 * arm stands are not looked at. Source: ros2_controllers, validate_trajectory_msg.
 * @param now of the controller's clock.
 */
export function refusalOf(
  { header, joint_names: names, points }: JointTrajectory,
  now: Nanoseconds,
  { joints, allowsMovingEnd }: RefusalRules,
): string | null {
  const last = points.at(-1);
  if (names.length !== joints.length) return `it has ${names.length} joints, not ${joints.length}`;
  if (!last) return 'it has no points';
  const unknown = names.find((name) => !joints.includes(name));
  if (unknown !== undefined) return `it names the joint ${unknown}`;
  const moving = Array.from(last.velocities).find((v) => Math.abs(v) > STILL_RAD_S);
  if (!allowsMovingEnd && moving !== undefined) return `it ends in motion (${moving.toFixed(3)} rad/s)`;
  const stamp = fromTimeMessage(header.stamp);
  const lateNs = now - stamp - fromTimeMessage(last.time_from_start);
  if (stamp !== 0n && lateNs > 0n) return `it ended ${(Number(lateNs) / 1e9).toFixed(3)} s before it came`;
  let before: Nanoseconds | null = null;
  for (const [index, { time_from_start: time, positions, velocities, accelerations, effort }] of points.entries()) {
    const after = fromTimeMessage(time);
    if (before !== null && after <= before) return `the time of its point ${index} is not after the one before`;
    before = after;
    if (positions.length !== joints.length) return `its point ${index} has ${positions.length} positions`;
    for (const field of [velocities, accelerations])
      if (field.length !== 0 && field.length !== joints.length)
        return `its point ${index} has ${field.length} velocities or accelerations`;
    if (effort.length > 0) return `its point ${index} has efforts`;
  }
  return null;
}
