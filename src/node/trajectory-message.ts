import type { JointTrajectory, JointTrajectoryPoint } from '../bus/messages.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../core/time.js';
import type { CurveTick } from '../execution/curve.js';
import type { Timeline } from '../execution/timeline.js';

/** The last point rests for this time after the motion, because a controller refuses a message whose last point is past when it comes. */
const REST_NS: Nanoseconds = fromSeconds(0.5);

/**
 * The known curve as a joint_trajectory_controller takes it: points at the ticks at which a jerk changes, with positions, velocities and accelerations, from
 * `history` ticks before now through the braking tail to rest, and one more resting point. The stamp is absolute, on the curve's own timeline. The first point
 * is past when the message comes, so the controller is inside the curve at once, whichever state it would have begun from. The quintic by which it joins two
 * points is then the cubic of the curve.
 * @param tick the tick of now. @param names of the joints.
 */
export function trajectoryMessage(
  timeline: Timeline,
  tick: number,
  history: number,
  names: readonly string[],
): JointTrajectory {
  const from = tick - history;
  const rest = Math.max(timeline.restsFrom, tick + 1);
  const stamp = timeline.stampOf(from);
  const points: JointTrajectoryPoint[] = [];
  for (let number = from; number <= rest; number++) {
    const isEnd = number === from || number === rest;
    if (isEnd || changesJerk(timeline.tick(number - 1), timeline.tick(number), timeline.tick(number + 1)))
      points.push(pointOf(timeline.tick(number), timeline.stampOf(number) - stamp));
  }
  points.push(pointOf(timeline.tick(rest), timeline.stampOf(rest) - stamp + REST_NS));
  return { header: { stamp: toTimeMessage(stamp), frame_id: '' }, joint_names: [...names], points };
}

function changesJerk(before: CurveTick, { accelerations: now }: CurveTick, after: CurveTick): boolean {
  for (let j = 0; j < now.length; j++) {
    if (now[j]! - before.accelerations[j]! !== after.accelerations[j]! - now[j]!) return true;
  }
  return false;
}

function pointOf({ positions, velocities, accelerations }: CurveTick, after: Nanoseconds): JointTrajectoryPoint {
  return {
    positions: Array.from(positions),
    velocities: Array.from(velocities),
    accelerations: Array.from(accelerations),
    effort: [],
    time_from_start: toTimeMessage(after),
  };
}
