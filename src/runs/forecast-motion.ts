import { vec3 } from 'gl-matrix';
import type { ForecastResult } from '../node/forecast-result.js';

/** Longest way of any point from its start, metres. */
export function motionOf({ forecast }: ForecastResult): number {
  return Math.max(
    0,
    ...forecast.positions.flatMap((track, p) =>
      track.flatMap((point) => (point ? [vec3.distance(point, forecast.start[p]!)] : [])),
    ),
  );
}
