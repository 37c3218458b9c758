import { motionOf, type Waypoint } from './spline.js';
import { Trajectory } from './trajectory.js';

/**
 * How ros2_controllers after 6.9.0 goes over to a new trajectory while one of several points runs, where `allow_trajectory_replacement` is left at
 * true: the old one is kept up to the stamp of the new one, and joined to it at the state that it has then. A stamp that is past counts as now, so that
 * the points of a message that begins in the past are all played again from now on. Source: blend_with_active_trajectory.
 * @param cursorNs how far the old one has been played, on its own time. @param nowNs of the controller's clock, from its epoch.
 */
export function blended(
  old: Trajectory,
  next: Trajectory,
  cursorNs: number,
  nowNs: number,
  speedScaling: number,
): Trajectory {
  const { startNs } = next;
  const startsNs = startNs !== null && startNs > nowNs ? cursorNs + (startNs - nowNs) * speedScaling : cursorNs;
  const kept: Waypoint[] = old.points.flatMap((point) => {
    const atNs = old.startNs! + point.atNs;
    return atNs > cursorNs && atNs < startsNs ? [{ ...point, atNs: atNs - cursorNs }] : [];
  });
  const joint = motionOf(old.points[0]!.positions.length);
  const after = startsNs - cursorNs;
  const isJoined = old.sample(startsNs, joint) && next.points[0]!.atNs > 0;
  return new Trajectory(
    [
      ...kept,
      ...(isJoined ? [{ ...joint, atNs: after }] : []),
      ...next.points.map((point) => ({ ...point, atNs: point.atNs + after })),
    ],
    null,
  );
}
