import type { Arm } from '../core/arm.js';
import { serveRequests } from '../threads/serve-requests.js';
import type { SceneConfig } from './scene.js';
import { writeEpisode } from './write-episode.js';

/** One of several threads that make episodes, each one at a time. */

export interface EpisodeRequest {
  readonly arm: Arm;
  readonly config: SceneConfig;
  readonly seed: number;
  readonly out: string;
}

serveRequests(({ arm, config, seed, out }: EpisodeRequest) => writeEpisode(arm, config, seed, out));
