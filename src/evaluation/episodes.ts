import { mean, percentile } from '../core/statistics.js';

/** What came of one episode in the closed loop. */
export interface EpisodeResult {
  readonly seed: number;
  readonly instruction: string;
  readonly success: boolean;
  /** Why not; null for a success. */
  readonly failure: { readonly code: string; readonly message: string } | null;
  /** Whether the object to be moved, and where it starts, were held out of the training episodes. */
  readonly unseen: { readonly object: boolean; readonly layout: boolean };
  readonly simulated_s: number;
  readonly wall_s: number;
  /** Of the computer, milliseconds by what they went to. */
  readonly spent_ms: Readonly<Record<string, number>>;
  readonly forecasts: number;
  /** Of the forecasts made while the object was held, against where its points then really went, metres; null where there were none. */
  readonly forecast_error_m: { readonly ADE: number; readonly FDE: number; readonly forecasts: number } | null;
  /** Of each chunk, what it took to plan; the rigid-motion planner mostly gives out what it has planned before. */
  readonly chunk_latencies_ms: readonly number[];
  /** How far each object of the scene ended from where it stood, over the table, metres, by what it is called. */
  readonly moved_m: Readonly<Record<string, number>>;
  readonly commands: number;
  /** Ticks at which there was no step to execute. */
  readonly holds: number;
  /** How many joint commands were limited, by what. */
  readonly limited: Readonly<Record<string, number>>;
  readonly stops: readonly { readonly at_s: number; readonly code: string; readonly message: string }[];
  readonly refusals: readonly {
    readonly stage: string;
    readonly code: string;
    readonly count: number;
    readonly message: string;
  }[];
}

export interface SuccessShare {
  readonly episodes: number;
  readonly succeeded: number;
  /** Null of no episodes. */
  readonly rate: number | null;
}

export interface EpisodesReport {
  readonly forecaster: string;
  readonly planner: string;
  readonly success: SuccessShare & {
    readonly seen_object: SuccessShare;
    readonly unseen_object: SuccessShare;
    readonly seen_layout: SuccessShare;
    readonly unseen_layout: SuccessShare;
  };
  /** Episodes by the reason for which they failed. */
  readonly failures: Readonly<Record<string, number>>;
  /** Means over the episodes that have one, metres. */
  readonly forecast_error_m: { readonly ADE: number | null; readonly FDE: number | null };
  readonly chunk_latency_ms: {
    readonly chunks: number;
    readonly p50: number | null;
    readonly p95: number | null;
    readonly max: number | null;
  };
  readonly limiter: {
    readonly commands: number;
    readonly holds: number;
    /** Joint commands that were limited, by what. */
    readonly limited: Readonly<Record<string, number>>;
    readonly stops: number;
  };
  readonly simulated_s: number;
  /** Of all threads together. */
  readonly wall_s: number;
  readonly times_real_time: number | null;
  readonly episodes: readonly EpisodeResult[];
}

export function episodesReport(
  forecaster: string,
  planner: string,
  episodes: readonly EpisodeResult[],
  wallS: number,
): EpisodesReport {
  const share = (some: readonly EpisodeResult[]): SuccessShare => {
    const succeeded = some.filter(({ success }) => success).length;
    return { episodes: some.length, succeeded, rate: some.length === 0 ? null : succeeded / some.length };
  };
  const latencies = episodes.flatMap((episode) => episode.chunk_latencies_ms);
  const errors = episodes.flatMap(({ forecast_error_m: error }) => (error ? [error] : []));
  const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
  const sum = (pick: (episode: EpisodeResult) => number): number =>
    episodes.reduce((total, episode) => total + pick(episode), 0);
  const simulatedS = sum(({ simulated_s: s }) => s);
  return {
    forecaster,
    planner,
    success: {
      ...share(episodes),
      seen_object: share(episodes.filter(({ unseen }) => !unseen.object)),
      unseen_object: share(episodes.filter(({ unseen }) => unseen.object)),
      seen_layout: share(episodes.filter(({ unseen }) => !unseen.layout)),
      unseen_layout: share(episodes.filter(({ unseen }) => unseen.layout)),
    },
    failures: countBy(episodes.flatMap(({ failure }) => (failure ? [{ [failure.code]: 1 }] : []))),
    forecast_error_m: {
      ADE: orNull(mean(errors.map(({ ADE }) => ADE))),
      FDE: orNull(mean(errors.map(({ FDE }) => FDE))),
    },
    chunk_latency_ms: {
      chunks: latencies.length,
      p50: orNull(percentile(latencies, 50)),
      p95: orNull(percentile(latencies, 95)),
      max: orNull(percentile(latencies, 100)),
    },
    limiter: {
      commands: sum(({ commands }) => commands),
      holds: sum(({ holds }) => holds),
      limited: countBy(episodes.map(({ limited }) => limited)),
      stops: sum(({ stops }) => stops.length),
    },
    simulated_s: simulatedS,
    wall_s: wallS,
    times_real_time: wallS > 0 ? simulatedS / wallS : null,
    episodes,
  };
}

/** Sums counts by name. */
export function countBy(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of counts) for (const [name, count] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
