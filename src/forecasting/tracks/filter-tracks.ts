import { InputError } from '../../core/errors.js';
import { estimateBandwidth, gapRatio, meanShift, nearest } from './mean-shift.js';
import type { PointMotion } from './point-motion.js';
import { displace, smoothAlongRays, type SmoothingOptions } from './ray-smoothing.js';
import { lowTrustTracks, trustWeights } from './trust-weights.js';

export interface TrackFilterOptions extends SmoothingOptions {
  readonly anchors: number;
  readonly epsilon: number;
  /** Robust z-score of the mean trust below which a track is dropped. */
  readonly zThreshold: number;
}

/** What the published pipeline runs with. */
export const PIPELINE_DEFAULTS: TrackFilterOptions = {
  anchors: 16,
  epsilon: 1e-6,
  zThreshold: 1,
  steps: 100,
  learningRate: 0.05,
  alpha: 1000,
  lambda: 1e-4,
  gatingPower: 2,
};

export interface FilteredTracks {
  /** `[t * count + n]` over all tracks. */
  readonly weights: Float64Array;
  /** Group of each track, -1 for noise. */
  readonly labels: readonly number[];
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
  readonly groups: readonly { readonly tracks: readonly number[]; readonly anchors: readonly number[] }[];
  /** Positions of all tracks, frame-major; only kept tracks are moved. */
  readonly smoothed: Float64Array;
}

/** Fewer tracks, or fewer visible at once, are one group. */
const MIN_TO_SPLIT = 20;
const MIN_VISIBLE_TO_SPLIT = 10;
const MIN_CLUSTER = 10;
const MIN_GAP_RATIO = 2;
const BANDWIDTH_QUANTILE = 0.3;

/**
 * The annotation pipeline's track filter and smoother: split tracks that are apart in space, weigh every observation by how well its track
 * keeps its distances, drop tracks of low trust, smooth what is left along the viewing rays.
 * @param cameraCentres x, y, z of the camera in each frame, metres, in the frame of the positions.
 * @param objectSizes tracks of each object, in order; every object is treated alone. One object when left out.
 * @throws InputError `tracks.objects` when the sizes do not add up.
 */
export function filterTracks(
  motion: PointMotion,
  cameraCentres: Float64Array,
  options: TrackFilterOptions,
  objectSizes: readonly number[] = [motion.count],
): FilteredTracks {
  if (objectSizes.reduce((sum, n) => sum + n, 0) !== motion.count) {
    throw new InputError({
      code: 'tracks.objects',
      message: `object sizes [${objectSizes.join(', ')}] do not add up to ${motion.count} tracks`,
      remedy: 'give the number of tracks of each object, in the order of the tracks',
    });
  }
  const labels = new Array<number>(motion.count).fill(-1);
  const weights = new Float64Array(motion.frames * motion.count);
  const dropped: number[] = [];
  const groups: { tracks: readonly number[]; anchors: readonly number[] }[] = [];
  let start = 0;
  for (const size of objectSizes) {
    const object = Array.from({ length: size }, (_, i) => start + i);
    start += size;
    const { clusters, noise } = splitInSpace(motion, object);
    dropped.push(...noise);
    for (const tracks of clusters) {
      const trust = trustWeights(motion, tracks, options);
      trust.weights.forEach((w, i) => {
        if (w !== 0) weights[i] = w;
      });
      for (const n of tracks) labels[n] = groups.length;
      groups.push({ tracks, anchors: trust.anchors });
      dropped.push(...lowTrustTracks(motion, tracks, trust.weights, options.zThreshold));
    }
  }
  // Keeping nothing would lose the recording; the pipeline then keeps everything.
  const out = new Set(dropped.length === motion.count ? [] : dropped);
  const kept = Array.from({ length: motion.count }, (_, n) => n).filter((n) => !out.has(n));
  return {
    weights,
    labels,
    kept,
    dropped: [...out].sort((a, b) => a - b),
    groups,
    smoothed: smoothKept(motion, weights, kept, cameraCentres, options),
  };
}

/** The kept tracks by themselves. */
export function selectTracks(motion: PointMotion, kept: readonly number[]): PointMotion {
  const { frames, count } = motion;
  const positions = new Float64Array(frames * kept.length * 3);
  const visible = new Uint8Array(frames * kept.length);
  for (let t = 0; t < frames; t++) {
    kept.forEach((n, i) => {
      visible[t * kept.length + i] = motion.visible[t * count + n]!;
      positions.set(motion.positions.subarray((t * count + n) * 3, (t * count + n) * 3 + 3), (t * kept.length + i) * 3);
    });
  }
  return { frames, count: kept.length, positions, visible };
}

function smoothKept(
  motion: PointMotion,
  weights: Float64Array,
  kept: readonly number[],
  centres: Float64Array,
  options: TrackFilterOptions,
): Float64Array {
  const own = selectTracks(motion, kept);
  const ownWeights = Float64Array.from(
    { length: own.frames * own.count },
    (_, i) => weights[Math.floor(i / own.count) * motion.count + kept[i % own.count]!]!,
  );
  const moved = displace(own, centres, smoothAlongRays(own, ownWeights, centres, options));
  const smoothed = motion.positions.slice();
  for (let t = 0; t < motion.frames; t++) {
    kept.forEach((n, i) => {
      smoothed.set(moved.subarray((t * own.count + i) * 3, (t * own.count + i) * 3 + 3), (t * motion.count + n) * 3);
    });
  }
  return smoothed;
}

type Xyz = readonly [number, number, number];

/** Clusters of tracks that are clearly apart in the frame that shows most of them. */
function splitInSpace(
  motion: PointMotion,
  tracks: readonly number[],
): { clusters: readonly (readonly number[])[]; noise: readonly number[] } {
  const whole = { clusters: [tracks], noise: [] };
  const { frames, count, visible, positions } = motion;
  if (tracks.length < MIN_TO_SPLIT) return whole;
  const at = (t: number, n: number): Xyz =>
    Array.from(positions.subarray((t * count + n) * 3, (t * count + n) * 3 + 3)) as unknown as Xyz;
  const seenIn = (t: number): number[] => tracks.filter((n) => visible[t * count + n] !== 0);
  let best = 0;
  for (let t = 1; t < frames; t++) if (seenIn(t).length > seenIn(best).length) best = t;
  const seen = seenIn(best);
  if (seen.length < MIN_VISIBLE_TO_SPLIT) return whole;
  const points = seen.map((n) => at(best, n));
  const bandwidth = estimateBandwidth(points, BANDWIDTH_QUANTILE);
  if (!(bandwidth >= 1e-6)) return whole;
  const found = meanShift(points, bandwidth);
  const ratio = gapRatio(points, found);
  if (ratio === null || ratio < MIN_GAP_RATIO) return whole;
  const clusters: number[][] = found.centres.map(() => []);
  for (const n of tracks) {
    const i = seen.indexOf(n);
    if (i >= 0) {
      clusters[found.labels[i]!]!.push(n);
      continue;
    }
    const firstSeen = Array.from({ length: frames }, (_, t) => t).find((t) => visible[t * count + n] !== 0);
    clusters[firstSeen === undefined ? 0 : nearest(at(firstSeen, n), found.centres)]!.push(n);
  }
  const large = clusters.filter((cluster) => cluster.length >= MIN_CLUSTER);
  if (large.length === 0) return whole;
  return { clusters: large, noise: clusters.filter((cluster) => cluster.length < MIN_CLUSTER).flat() };
}
