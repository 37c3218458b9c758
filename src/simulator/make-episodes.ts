import { Worker } from 'node:worker_threads';
import type { Arm } from '../core/arm.js';
import { CancelledError, OutputError } from '../core/errors.js';
import type { EpisodeReply, EpisodeRequest } from './episode-worker.js';
import type { SceneConfig } from './scene.js';
import { readSummary, type EpisodeSummary } from './write-episode.js';

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
export async function makeEpisodes(options: EpisodesOptions): Promise<EpisodeSummary[]> {
  const { count, seed, out, threads, signal, onEpisode } = options;
  const seeds = Array.from({ length: count }, (_, i) => seed + i);
  const summaries = new Map<number, EpisodeSummary>();
  for (const one of seeds) {
    const known = await readSummary(out, one);
    if (known) summaries.set(one, known);
  }
  const waiting = seeds.filter((one) => !summaries.has(one));
  onEpisode?.(summaries.size, count);
  await Promise.all(
    Array.from({ length: Math.min(threads, waiting.length) }, () =>
      work(options, waiting, (summary) => {
        summaries.set(summary.seed, summary);
        onEpisode?.(summaries.size, count);
      }),
    ),
  );
  if (signal?.aborted) throw new CancelledError('making episodes');
  return seeds.map((one) => summaries.get(one)!);
}

/** One thread, until nothing waits any more. */
async function work(
  { arm, config, out, signal }: EpisodesOptions,
  waiting: number[],
  done: (summary: EpisodeSummary) => void,
): Promise<void> {
  const worker = new Worker(WORKER_FILE);
  try {
    for (let seed = waiting.shift(); seed !== undefined && !signal?.aborted; seed = waiting.shift()) {
      const reply = await ask(worker, { arm, config, seed, out });
      if ('error' in reply) {
        // The others stop too: a full disk does not get emptier.
        waiting.length = 0;
        throw new OutputError({
          code: 'episodes.write',
          message: `the episode of seed ${seed} could not be made: ${reply.error}`,
          remedy: 'mend that and run the same command again: whole episodes are kept',
        });
      }
      done(reply.summary);
    }
  } finally {
    await worker.terminate();
  }
}

function ask(worker: Worker, request: EpisodeRequest): Promise<EpisodeReply> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(request);
  });
}
