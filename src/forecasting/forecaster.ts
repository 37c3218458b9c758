import type { CameraFrame } from '../core/observation.js';
import type { Forecast } from '../core/forecast.js';
import { liftedPoints, type QueryPoints } from '../core/query-points.js';

export interface ForecastRequest {
  readonly query: QueryPoints;
  readonly instruction: string;
  /** Pictures of the query's camera, oldest first, the last at t0. Baselines do not look at them. */
  readonly window: readonly CameraFrame[];
  /** Seconds between history frames, and between future steps. */
  readonly stepS: number;
}

/** Where will these points go? */
export interface Forecaster {
  readonly name: string;
  /** Future steps in an answer. */
  readonly horizon: number;
  /** History frames that it needs, t0 included. */
  readonly historySize: number;
  /** Rejects with InputError when the answer cannot be used. */
  forecast(request: ForecastRequest, signal?: AbortSignal): Promise<Forecast>;
}

/** What every forecast takes over from its request. */
export function forecastHeader(request: ForecastRequest, forecaster: string): Omit<Forecast, 'positions'> {
  const { query, instruction, stepS } = request;
  return {
    forecaster,
    camera: query.camera,
    frameId: query.frameId,
    stamp: query.stamp,
    stepS,
    instruction,
    start: liftedPoints(query).map((point) => point.position),
  };
}
