import { percentile } from '../core/statistics.js';
import type { EpisodeSummary } from './write-episode.js';

/** Of each value of a vector over all steps; what a policy's normalisation needs. */
export interface VectorStatistics {
  readonly count: number;
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly q01: readonly number[];
  readonly q10: readonly number[];
  readonly q90: readonly number[];
  readonly q99: readonly number[];
}

export interface EpisodeStatistics {
  readonly episodes: number;
  readonly succeeded: number;
  readonly steps: number;
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
  /** By the names that checkpoints of the published policies have for them. */
  readonly stats: { readonly 'observation.state': VectorStatistics | null; readonly action: VectorStatistics | null };
}

export function episodeStatistics(summaries: readonly EpisodeSummary[]): EpisodeStatistics {
  const good = summaries.filter(({ success }) => success);
  return {
    episodes: summaries.length,
    succeeded: good.length,
    steps: good.reduce((sum, { steps }) => sum + steps, 0),
    failures: summaries.flatMap(({ seed, failure }) => (failure === null ? [] : [{ seed, failure }])),
    stats: {
      'observation.state': vectorStatistics(good.flatMap(({ states }) => states)),
      action: vectorStatistics(good.flatMap(({ actions }) => actions)),
    },
  };
}

function vectorStatistics(rows: readonly (readonly number[])[]): VectorStatistics | null {
  const width = rows[0]?.length ?? 0;
  if (width === 0) return null;
  const columns = Array.from({ length: width }, (_, i) => rows.map((row) => row[i]!));
  const means = columns.map((values) => values.reduce((sum, x) => sum + x, 0) / values.length);
  const of = (pick: (values: readonly number[], i: number) => number): number[] => columns.map(pick);
  return {
    count: rows.length,
    min: of((values) => values.reduce((least, x) => Math.min(least, x), Infinity)),
    max: of((values) => values.reduce((most, x) => Math.max(most, x), -Infinity)),
    mean: means,
    std: of((values, i) => Math.sqrt(values.reduce((sum, x) => sum + (x - means[i]!) ** 2, 0) / values.length)),
    q01: of((values) => percentile(values, 1)),
    q10: of((values) => percentile(values, 10)),
    q90: of((values) => percentile(values, 90)),
    q99: of((values) => percentile(values, 99)),
  };
}
