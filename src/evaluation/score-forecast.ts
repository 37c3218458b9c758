import type { Forecast } from '../core/forecast.js';
import type { Vector3 } from '../core/vector.js';
import { float32Distance, type ScoredPrediction } from './metrics.js';

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
