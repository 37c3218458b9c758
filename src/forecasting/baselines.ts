import { vec3 } from 'gl-matrix';
import { checkForecast, type Forecast } from '../core/forecast.js';
import { toSeconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from './forecaster.js';

/** Nothing moves. */
export class StaticForecaster implements Forecaster {
  readonly name = 'static';
  readonly historySize = 1;

  constructor(readonly horizon: number) {}

  forecast(request: ForecastRequest): Promise<Forecast> {
    const header = forecastHeader(request, this.name);
    return Promise.resolve(
      checkForecast({ ...header, positions: header.start.map((p) => new Array<Vector3>(this.horizon).fill(p)) }),
    );
  }
}

/** Every point keeps its velocity: least squares over the history frames in which it was seen, from its last position. */
export class ExtrapolateForecaster implements Forecaster {
  readonly name = 'extrapolate';

  constructor(
    readonly horizon: number,
    readonly historySize: number,
  ) {}

  forecast(request: ForecastRequest): Promise<Forecast> {
    const header = forecastHeader(request, this.name);
    const { historyStamps, stamp } = request.query;
    const times = historyStamps.map((t) => toSeconds(t - stamp));
    const positions = header.start.map((start, p) => {
      const velocity = velocityOf(
        request.query.history.map((frame) => frame[p] ?? null),
        times,
      );
      return Array.from({ length: this.horizon }, (_, f) =>
        vec3.scaleAndAdd([0, 0, 0], start, velocity, (f + 1) * request.stepS),
      );
    });
    return Promise.resolve(checkForecast({ ...header, positions }));
  }
}

/** Metres per second; zero for a point seen fewer than twice. The true times count: a camera rarely hits the model's step exactly. */
function velocityOf(track: readonly (Vector3 | null)[], times: readonly number[]): Vector3 {
  const seen = track.flatMap((p, h) => (p ? [[times[h]!, p] as const] : []));
  const meanTime = seen.reduce((sum, [h]) => sum + h, 0) / seen.length;
  const spread = seen.reduce((sum, [h]) => sum + (h - meanTime) ** 2, 0);
  if (seen.length < 2) return [0, 0, 0];
  const slope = (axis: 0 | 1 | 2): number => seen.reduce((sum, [h, p]) => sum + (h - meanTime) * p[axis], 0) / spread;
  return [slope(0), slope(1), slope(2)];
}
