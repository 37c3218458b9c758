import type { Forecast } from '../core/forecast.js';
import type { Observation } from '../core/observation.js';
import type { QueryPoints } from '../core/query-points.js';
import type { Transform } from '../geometry/transform.js';

/** One forecast with everything that it came from. */
export interface ForecastResult {
  readonly observation: Observation;
  readonly query: QueryPoints;
  readonly forecast: Forecast;
  /** Pose of the forecast's frame in the arm's base at t0; null where the transforms do not tell. */
  readonly cameraInBase: Transform | null;
}
