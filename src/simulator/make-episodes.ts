import type { Arm } from '../core/arm.js';
import { CancelledError } from '../core/errors.js';
import { onThreads } from '../threads/worker-pool.js';
import type { EpisodeRequest } from './episode-worker.js';
import type { MomentOptions } from './moments.js';
import type { SceneConfig } from './scene-config.js';
import { readSummary, type EpisodeSummary } from './write-episode.js';
import { readMoments, type MomentsSummary } from './write-moments.js';

export interface EpisodesOptions {
  readonly arm: Arm;
  readonly config: SceneConfig;
  readonly count: number;
  /** Of the first episode; the others follow it. */
  readonly seed: number;
  readonly out: string;
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onEpisode?: (done: number, all: number) => void;
}

/** Compiled code: a thread cannot be started from TypeScript. */
const WORKER_FILE = new URL('../../dist/simulator/episode-worker.js', import.meta.url);

/**
 * Makes episodes on several threads; those that are there already are left as they are. What is made does not depend on the number of threads.
 * @returns summaries in the order of their seeds. Rejects with CancelledError, OutputError.
 */
export function makeEpisodes(options: EpisodesOptions): Promise<EpisodeSummary[]> {
  return makeMissing(options, readSummary, {});
}

/** The same for training moments. */
export function makeMoments(options: EpisodesOptions, moments: MomentOptions): Promise<MomentsSummary[]> {
  return makeMissing(options, readMoments, { moments });
}

async function makeMissing<Summary extends { readonly seed: number }>(
  { arm, config, count, seed, out, threads, signal, onEpisode }: EpisodesOptions,
  read: (out: string, seed: number) => Promise<Summary | null>,
  what: Pick<EpisodeRequest, 'moments'>,
): Promise<Summary[]> {
  const seeds = Array.from({ length: count }, (_, i) => seed + i);
  const summaries = new Map<number, Summary>();
  for (const one of seeds) {
    const known = await read(out, one);
    if (known) summaries.set(one, known);
  }
  const waiting = seeds.filter((one) => !summaries.has(one));
  onEpisode?.(summaries.size, count);
  await onThreads<Summary>(
    WORKER_FILE,
    waiting.map((one): EpisodeRequest => ({ arm, config, seed: one, out, ...what })),
    {
      threads,
      signal,
      onResult: (summary) => {
        summaries.set(summary.seed, summary);
        onEpisode?.(summaries.size, count);
      },
    },
  );
  if (signal?.aborted) throw new CancelledError('making episodes');
  return seeds.map((one) => summaries.get(one)!);
}
