import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { outputError } from '../files/atomic-file.js';
import { runEpisode, type ClosedLoopOptions } from '../node/closed-loop.js';
import { serveRequests } from '../threads/serve-requests.js';
import { openEpisodeModels, type EpisodeModelOptions, type EpisodeModels } from './episode-models.js';

/** One of several threads that play episodes in the closed loop, each one at a time. */

export interface EvaluationRequest {
  readonly models: EpisodeModelOptions;
  readonly episode: Omit<ClosedLoopOptions, 'forecaster' | 'planner' | 'arm' | 'watch' | 'record' | 'signal'>;
  /** Folder for the MCAP of an episode that fails. */
  readonly keepFailed?: string;
}

let open: Promise<EpisodeModels> | null = null;

serveRequests(
  async ({ models, episode, keepFailed }: EvaluationRequest, signal) => {
    const { forecaster, planner } = await (open ??= openEpisodeModels(models));
    if (keepFailed !== undefined) {
      await mkdir(keepFailed, { recursive: true }).catch((cause: unknown) => {
        throw outputError(keepFailed, cause);
      });
    }
    return runEpisode({
      ...episode,
      arm: models.arm,
      forecaster,
      planner,
      signal,
      ...(keepFailed !== undefined && {
        record: { file: path.join(keepFailed, `episode_${episode.seed}.mcap`), keep: 'failed' as const },
      }),
    });
  },
  async () => {
    // A model that could not be opened has been reported.
    const models = await open?.catch(() => null);
    await models?.close();
  },
);
