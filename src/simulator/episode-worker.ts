import { parentPort } from 'node:worker_threads';
import type { Arm } from '../core/arm.js';
import { describeError } from '../core/errors.js';
import type { SceneConfig } from './scene.js';
import { writeEpisode, type EpisodeSummary } from './write-episode.js';

/** One of several threads that make episodes, each one at a time. */

export interface EpisodeRequest {
  readonly arm: Arm;
  readonly config: SceneConfig;
  readonly seed: number;
  readonly out: string;
}

export type EpisodeReply =
  { readonly seed: number; readonly summary: EpisodeSummary } | { readonly seed: number; readonly error: string };

parentPort!.on('message', ({ arm, config, seed, out }: EpisodeRequest) => {
  writeEpisode(arm, config, seed, out).then(
    (summary) => {
      parentPort!.postMessage({ seed, summary } satisfies EpisodeReply);
    },
    (error: unknown) => {
      parentPort!.postMessage({ seed, error: describeError(error) } satisfies EpisodeReply);
    },
  );
});
