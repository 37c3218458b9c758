import type { PointTracks } from '../core/point-tracks.js';
import { InputError } from '../core/errors.js';
import { checkForecast, type Forecast } from '../core/forecast.js';
import { fromSeconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { float32Distance, type ScoredPrediction } from '../evaluation/metrics.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from '../forecasting/forecaster.js';
import { trackRow } from '../grounding/track-grounder.js';

/** `positions[p][f]`: where the tracks behind a forecast really went; null where the recording does not know or does not see it. */
export function trueFuture(
  tracks: PointTracks,
  indices: readonly number[],
  forecast: Forecast,
): readonly (readonly (Vector3 | null)[])[] {
  const steps = forecast.positions[0]?.length ?? 0;
  const rows = Array.from({ length: steps }, (_, f) =>
    trackRow(tracks, forecast.stamp + fromSeconds((f + 1) * forecast.stepS)),
  );
  return indices.map((n) =>
    rows.map((row) => (row !== null && tracks.visible[row]![n] === true ? (tracks.positions[row]![n] ?? null) : null)),
  );
}

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

/**
 * Errors over the steps that the recording has. Where the forecast says nothing about a visible point, its start counts: silence must not
 * score better than "it stays". Null when no step is known.
 */
export function scoreForecast(
  forecast: Forecast,
  truth: readonly (readonly (Vector3 | null)[])[],
): ScoredPrediction | null {
  const known = truth.reduce((most, row) => Math.max(most, row.findLastIndex((p) => p !== null) + 1), 0);
  if (known === 0) return null;
  return {
    errors: truth.map((row, p) =>
      row.slice(0, known).map((t, f) => (t ? float32Distance(forecast.positions[p]![f] ?? forecast.start[p]!, t) : 0)),
    ),
    visible: truth.map((row) => row.slice(0, known).map((t) => t !== null)),
  };
}
