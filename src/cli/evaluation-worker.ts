import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { modelsOf, type BundleModels } from '../assembly/model-source.js';
import { outputError } from '../files/atomic-file.js';
import { runEpisode, type EpisodeOptions } from '../runs/episode.js';
import { serveRequests } from '../threads/serve-requests.js';

/** One of several threads that play episodes in the closed loop, each one at a time. */

export interface EvaluationRequest {
  readonly episode: Omit<EpisodeOptions, 'models' | 'watch' | 'signal' | 'keepRecording'>;
  /** Folder for the MCAP of an episode that fails. */
  readonly keepFailed?: string;
}

/** All requests of a thread have the same models, which stay open from one episode to the next. */
let models: BundleModels | null = null;

serveRequests(
  async ({ episode, keepFailed }: EvaluationRequest, signal) => {
    models ??= modelsOf(episode.config);
    if (keepFailed === undefined) return runEpisode({ ...episode, models, keepRecording: 'always', signal });
    await mkdir(keepFailed, { recursive: true }).catch((cause: unknown) => {
      throw outputError(keepFailed, cause);
    });
    const { config, seed } = episode;
    const file = path.join(keepFailed, `episode_${seed}.mcap`);
    return runEpisode({
      ...episode,
      config: { ...config, recording: { ...config.recording, file } },
      models,
      keepRecording: 'failed',
      signal,
    });
  },
  async () => {
    await models?.close();
  },
);
