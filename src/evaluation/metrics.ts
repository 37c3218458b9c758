import { mean } from '../core/statistics.js';

/** PointMotionBench thresholds, metres. */
export const PWT_THRESHOLDS_M = [0.01, 0.02, 0.05, 0.1, 0.2] as const;

/** Errors and visibility of one prediction, P points by F future steps. */
export interface ScoredPrediction {
  /** Distance to the truth, metres, `errors[p][f]`, in float32 as the reference computes it. */
  readonly errors: readonly (readonly number[])[];
  /** Whether the true point is visible at that step. */
  readonly visible: readonly (readonly boolean[])[];
}

export interface Metrics {
  /** Average displacement error, metres; null where no pair counts. */
  readonly ADE: number | null;
  /** Final displacement error, metres. */
  readonly FDE: number | null;
  /** Share of points within a threshold, mean over the thresholds. */
  readonly PWT: number | null;
  readonly PWT_per_threshold: Readonly<Record<string, number | null>>;
  readonly pairs: number;
  readonly final_pairs: number;
}

/**
 * `paper`: MolmoMotion appendix C.4. A pair counts when the point is visible at that step and at the first future step; FDE looks at the last
 * step alone; within a threshold is strictly less.
 * `released`: the published benchmark script. Every visible pair counts; FDE is at each point's own last visible step; within includes equal.
 */
export type MetricVariant = 'paper' | 'released';

/** Pooled over all predictions given. */
export function pointMotionMetrics(predictions: readonly ScoredPrediction[], variant: MetricVariant): Metrics {
  const pairs: number[] = [];
  const finals: number[] = [];
  for (const { errors, visible } of predictions) {
    errors.forEach((row, p) => {
      const seen = visible[p]!;
      if (variant === 'paper' && !seen[0]) return;
      row.forEach((error, f) => {
        if (seen[f]) pairs.push(error);
      });
      const last = variant === 'paper' ? row.length - 1 : seen.lastIndexOf(true);
      if (last >= 0 && seen[last]) finals.push(row[last]!);
    });
  }
  const within = (threshold: number): number | null => {
    if (pairs.length === 0) return null;
    // float32 errors meet float32 thresholds: 0.1 as float64 is below 0.1 as float32.
    const limit = Math.fround(threshold);
    return pairs.filter((error) => (variant === 'paper' ? error < limit : error <= limit)).length / pairs.length;
  };
  const shares = PWT_THRESHOLDS_M.map((threshold) => [String(threshold), within(threshold)] as const);
  return {
    ADE: meanOrNull(pairs),
    FDE: meanOrNull(finals),
    PWT: pairs.length === 0 ? null : mean(shares.map(([, share]) => share!)),
    PWT_per_threshold: Object.fromEntries(shares),
    pairs: pairs.length,
    final_pairs: finals.length,
  };
}

/** Of several samples for one clip the best value of each metric (best-of-k); nulls never win. */
export function bestOf(samples: readonly Metrics[]): Metrics {
  const best = (values: readonly (number | null)[], better: (...v: number[]) => number): number | null => {
    const numbers = values.filter((v) => v !== null);
    return numbers.length === 0 ? null : better(...numbers);
  };
  return {
    ADE: best(
      samples.map((s) => s.ADE),
      Math.min,
    ),
    FDE: best(
      samples.map((s) => s.FDE),
      Math.min,
    ),
    PWT: best(
      samples.map((s) => s.PWT),
      Math.max,
    ),
    PWT_per_threshold: Object.fromEntries(
      PWT_THRESHOLDS_M.map((t) => [
        String(t),
        best(
          samples.map((s) => s.PWT_per_threshold[String(t)] ?? null),
          Math.max,
        ),
      ]),
    ),
    pairs: samples[0]?.pairs ?? 0,
    final_pairs: samples[0]?.final_pairs ?? 0,
  };
}

type Xyz = readonly [number, number, number];

/** Distance of two points, metres, rounded to float32 at every step as numpy does on float32 arrays. */
export function float32Distance(a: Xyz, b: Xyz): number {
  const { fround } = Math;
  const square = (i: 0 | 1 | 2): number => {
    const d = fround(fround(a[i]) - fround(b[i]));
    return fround(d * d);
  };
  return fround(Math.sqrt(fround(fround(square(0) + square(1)) + square(2))));
}

function meanOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : mean(values);
}
