import type { Arm } from '../core/arm.js';
import { serveRequests } from '../threads/serve-requests.js';
import type { MomentOptions } from './moments.js';
import type { SceneConfig } from './scene-config.js';
import { writeEpisode } from './write-episode.js';
import { writeMoments } from './write-moments.js';

/** One of several threads that make episodes, each one at a time. */

export interface EpisodeRequest {
  readonly arm: Arm;
  readonly config: SceneConfig;
  readonly seed: number;
  readonly out: string;
  /** Moments for training instead of a whole recording. */
  readonly moments?: MomentOptions;
}

serveRequests(({ arm, config, seed, out, moments }: EpisodeRequest) =>
  moments ? writeMoments(arm, config, seed, out, moments) : writeEpisode(arm, config, seed, out),
);
