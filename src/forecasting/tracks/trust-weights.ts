import { median } from '../../core/statistics.js';
import { distanceBetween, type PointMotion } from './point-motion.js';

/** Fewer common frames than this say nothing about two tracks. */
const MIN_FRAMES = 3;
const NEUTRAL = 0.5;

export interface TrustOptions {
  readonly anchors: number;
  readonly epsilon: number;
}

export interface Trust {
  /** `weights[t * count + n]` in [0, 1]; 0 where not visible. Tracks outside the group are left at 0. */
  readonly weights: Float64Array;
  readonly anchors: readonly number[];
}

/**
 * How far each observation keeps its distance to the slowest tracks of its group (the annotation pipeline's trust, MolmoMotion section 3.1):
 * w = exp(-e / s), e the median over anchors of |d(t) - median d|, s the track's own median e.
 */
export function trustWeights(motion: PointMotion, group: readonly number[], options: TrustOptions): Trust {
  const { frames, count, visible } = motion;
  const weights = new Float64Array(frames * count);
  const anchors = slowestTracks(motion, group, options.anchors);
  if (anchors.length < 2) {
    for (const n of group) for (let t = 0; t < frames; t++) weights[t * count + n] = visible[t * count + n]! * NEUTRAL;
    return { weights, anchors: [] };
  }
  for (const n of group) {
    const deviations = deviationsFromAnchors(motion, n, anchors);
    const known = deviations.filter((e) => !Number.isNaN(e));
    const scale = known.length >= MIN_FRAMES ? median(known) + options.epsilon : Number.NaN;
    for (let t = 0; t < frames; t++) {
      if (visible[t * count + n] === 0) continue;
      const e = deviations[t]!;
      weights[t * count + n] = Number.isNaN(e) || Number.isNaN(scale) ? NEUTRAL : Math.exp(-e / scale);
    }
  }
  return { weights, anchors };
}

/** Slowest first; tracks without enough pairs of frames have no speed. */
function slowestTracks(motion: PointMotion, group: readonly number[], most: number): readonly number[] {
  const { frames, count, visible } = motion;
  return group
    .map((n) => {
      const steps: number[] = [];
      for (let t = 0; t + 1 < frames; t++) {
        const at = t * count + n;
        if (visible[at] !== 0 && visible[at + count] !== 0) steps.push(distanceBetween(motion, at, at + count));
      }
      return { n, speed: steps.length >= MIN_FRAMES ? median(steps) : Infinity };
    })
    .filter(({ speed }) => Number.isFinite(speed))
    .sort((a, b) => a.speed - b.speed)
    .slice(0, most)
    .map(({ n }) => n);
}

/** e_n(t): median over anchors, NaN where none shares the frame. */
function deviationsFromAnchors(motion: PointMotion, n: number, anchors: readonly number[]): readonly number[] {
  const { frames, count, visible } = motion;
  const perFrame: number[][] = Array.from({ length: frames }, () => []);
  for (const anchor of anchors) {
    if (anchor === n) continue;
    const common: (readonly [number, number])[] = [];
    for (let t = 0; t < frames; t++) {
      if (visible[t * count + n] !== 0 && visible[t * count + anchor] !== 0)
        common.push([t, distanceBetween(motion, t * count + n, t * count + anchor)]);
    }
    if (common.length < MIN_FRAMES) continue;
    const usual = median(common.map(([, d]) => d));
    for (const [t, d] of common) perFrame[t]!.push(Math.abs(d - usual));
  }
  return perFrame.map((values) => median(values));
}

/** Mean weight of each track over its visible frames; null for a track that is never visible. */
export function meanWeights(
  motion: PointMotion,
  group: readonly number[],
  weights: Float64Array,
): readonly (number | null)[] {
  const { frames, count, visible } = motion;
  return group.map((n) => {
    let sum = 0;
    let seen = 0;
    for (let t = 0; t < frames; t++) {
      if (visible[t * count + n] === 0) continue;
      sum += weights[t * count + n]!;
      seen++;
    }
    return seen === 0 ? null : sum / seen;
  });
}

/** Tracks of low trust: a robust z-score of the mean weight above the threshold (strictly), and tracks that are never visible. */
export function lowTrustTracks(
  motion: PointMotion,
  group: readonly number[],
  weights: Float64Array,
  zThreshold: number,
): readonly number[] {
  const means = meanWeights(motion, group, weights);
  const known = means.filter((m) => m !== null);
  const centre = median(known);
  const sigma = 1.4826 * median(known.map((m) => Math.abs(m - centre)));
  const judged = known.length >= 3 && sigma >= 1e-8;
  return group.filter((_, i) => {
    const m = means[i] ?? null;
    return m === null || (judged && (centre - m) / sigma > zThreshold);
  });
}
