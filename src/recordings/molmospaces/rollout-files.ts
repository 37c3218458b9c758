import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Rollout } from './rollout.js';

export interface CameraFiles {
  readonly color: string | null;
  readonly depth: string | null;
  /** Overlay NPZ with the motion of points on the object. */
  readonly tracks: string | null;
}

/**
 * The files beside an .h5 that belong to one trajectory. Videos are named in the file, or found by the writers' patterns: beside
 * `trajectories{suffix}.h5` as `episode_{number}_{camera}{suffix}.mp4`, and in the flat release as `videos/{scenario}__{house}__{number}__{camera}.mp4`.
 */
export function filesOfCamera(h5: string, rollout: Rollout, camera: string): CameraFiles {
  const folder = path.dirname(h5);
  const stem = path.basename(h5, '.h5');
  const suffix = stem.startsWith('trajectories') ? stem.slice('trajectories'.length) : '';
  const episode = String(rollout.index).padStart(8, '0');
  const video = (name: string): string | null => {
    const given = rollout.videoNames.get(name);
    // A file that names its video means that one: another beside it would be a different episode.
    if (given !== undefined) return path.join(folder, given);
    const candidates = [
      path.join(folder, `episode_${episode}_${name}${suffix}.mp4`),
      path.join(folder, '..', 'videos', `${stem}__${episode}__${name}.mp4`),
      path.join(folder, 'videos', `${stem}__${episode}__${name}.mp4`),
    ];
    return candidates.find((candidate) => existsSync(candidate)) ?? null;
  };
  const tracks = [
    path.join(folder, `episode_${episode}_${camera}_point_tracks.npz`),
    path.join(folder, `${stem}__${episode}__${camera}_point_tracks.npz`),
  ];
  return {
    color: video(camera),
    depth: video(`${camera}_depth`),
    tracks: tracks.find((candidate) => existsSync(candidate)) ?? null,
  };
}
