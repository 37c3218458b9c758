import { mean, percentile } from '../../core/statistics.js';
import { distanceBetween, type PointMotion } from './point-motion.js';
import { roundHalfEven } from '../../core/rounding.js';

export interface SegmentOptions {
  readonly fps: number;
  /** Metres a frame. */
  readonly threshold: number;
  /** Runs closer than this many frames are one. */
  readonly minGap: number;
  readonly minClipS: number;
  /** Replaces minClipS where set, frames. */
  readonly minFrames: number | null;
}

const MIN_TRACKS = 3;
/** With at least this many values the fastest fifth is taken for outliers. */
const MIN_TO_TRIM = 5;

/** Inclusive first and last frame. */
export type Segment = readonly [number, number];

/** Stretches in which an object moves, by group name; groups without any are left out. */
export function clipSegments(
  motion: PointMotion,
  labels: readonly number[] | null,
  options: SegmentOptions,
): ReadonlyMap<string, readonly Segment[]> {
  const result = new Map<string, readonly Segment[]>();
  if (motion.frames < 3) return result;
  for (const [name, tracks] of groupsOf(motion, labels)) {
    const segments = segmentsOf(motionScores(motion, tracks), options);
    if (segments.length > 0) result.set(name, segments);
  }
  return result;
}

/** Groups of at least three tracks, by label; all tracks as `obj0` where there is none. */
export function groupsOf(
  motion: PointMotion,
  labels: readonly number[] | null,
): ReadonlyMap<string, readonly number[]> {
  const all = Array.from({ length: motion.count }, (_, n) => n);
  const groups = new Map<string, readonly number[]>();
  for (const label of [...new Set(labels ?? [])].filter((l) => l >= 0).sort((a, b) => a - b)) {
    const tracks = all.filter((n) => labels![n] === label);
    if (tracks.length >= MIN_TRACKS) groups.set(`obj${label}`, tracks);
  }
  if (groups.size === 0 && all.length >= MIN_TRACKS) groups.set('obj0', all);
  return groups;
}

/** Mean displacement since the frame before, metres, without the fastest fifth of the tracks; 0 for the first frame. */
export function motionScores(motion: PointMotion, tracks: readonly number[]): readonly number[] {
  const { frames, count, visible } = motion;
  return Array.from({ length: frames }, (_, t) => {
    if (t === 0) return 0;
    const moved = tracks
      .filter((n) => visible[t * count + n] !== 0 && visible[(t - 1) * count + n] !== 0)
      .map((n) => Math.fround(distanceBetween(motion, t * count + n, (t - 1) * count + n)));
    if (moved.length === 0) return 0;
    // In float32, as the pipeline's arrays: tracks that differ by rounding are then equally fast.
    const limit = moved.length >= MIN_TO_TRIM ? Math.fround(percentile(moved, 80)) : Infinity;
    return mean(moved.filter((m) => m <= limit));
  });
}

function segmentsOf(scores: readonly number[], options: SegmentOptions): readonly Segment[] {
  const runs: [number, number][] = [];
  scores.forEach((score, t) => {
    if (!(score >= options.threshold)) return;
    const last = runs.at(-1);
    if (last && t - last[1] - 1 < options.minGap) last[1] = t;
    else runs.push([t, t]);
  });
  const shortest = options.minFrames ?? Math.max(3, roundHalfEven(options.minClipS * options.fps));
  return runs.filter(([start, end]) => end - start + 1 >= shortest);
}
