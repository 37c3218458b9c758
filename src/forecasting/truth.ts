import { InputError } from '../core/errors.js';
import { checkForecast, type Forecast } from '../core/forecast.js';
import type { PointTracks } from '../core/point-tracks.js';
import { trueFuture } from '../core/true-future.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from './forecaster.js';

/** Knows where the tracked points of a recording really go: what a perfect forecast would say. */
export class TruthForecaster implements Forecaster {
  readonly name = 'truth';
  readonly historySize: number;
  readonly horizon: number;
  readonly #tracks: PointTracks;

  constructor(tracks: PointTracks, horizon: number, historySize: number) {
    this.#tracks = tracks;
    this.horizon = horizon;
    this.historySize = historySize;
  }

  /** Rejects with InputError `forecast.no-truth` for points that the recording does not know, or at its end. */
  forecast(request: ForecastRequest): Promise<Forecast> {
    return Promise.resolve().then(() => {
      const indices = request.query.tracks;
      const header = forecastHeader(request, this.name);
      const empty: Forecast = { ...header, positions: header.start.map(() => Array<null>(this.horizon).fill(null)) };
      const positions = indices ? trueFuture(this.#tracks, indices, empty) : empty.positions;
      const known = positions.reduce((most, row) => Math.max(most, row.findLastIndex((p) => p !== null) + 1), 0);
      if (known === 0) {
        throw new InputError({
          code: 'forecast.no-truth',
          message: `the recording does not know where ${indices ? 'these points go from here' : 'points of a click go'}`,
          remedy: 'use a recording with point tracks, without --click, and not its last picture',
        });
      }
      return checkForecast({ ...header, positions: positions.map((row) => row.slice(0, known)) });
    });
  }
}
