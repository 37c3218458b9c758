import type { TextPoint } from './text-points.js';

/**
 * Points of one video as the reference reads them: in the order of their times, and of an object that is named twice at one time only the first.
 * @param points whose `frame` is a time in seconds; those of no number are left out.
 */
export function videoPoints(points: readonly TextPoint[]): TextPoint[] {
  const byTime = new Map<number, Map<number, TextPoint>>();
  for (const point of points) {
    if (Number.isNaN(point.frame)) continue;
    const objects = byTime.get(point.frame) ?? new Map<number, TextPoint>();
    if (!objects.has(point.id)) objects.set(point.id, point);
    byTime.set(point.frame, objects);
  }
  return [...byTime].sort(([a], [b]) => a - b).flatMap(([, objects]) => [...objects.values()]);
}
