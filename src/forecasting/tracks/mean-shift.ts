import { mean, percentile } from '../../core/statistics.js';
import { roundHalfEven } from '../../core/rounding.js';

type Xyz = readonly [number, number, number];

const MOST_ITERATIONS = 300;

/** Mean over points of the distance to the farthest of their `quantile * n` nearest neighbours, themselves included (scikit-learn). */
export function estimateBandwidth(points: readonly Xyz[], quantile: number): number {
  const neighbours = Math.max(1, Math.floor(points.length * quantile));
  return mean(points.map((p) => points.map((q) => distance(p, q)).sort((a, b) => a - b)[neighbours - 1]!));
}

export interface Clusters {
  readonly centres: readonly Xyz[];
  /** Index of the nearest centre, for each point. */
  readonly labels: readonly number[];
}

/** Flat-kernel mean shift started from the occupied bins of a grid as wide as the bandwidth; clusters come by falling size (scikit-learn). */
export function meanShift(points: readonly Xyz[], bandwidth: number): Clusters {
  const bins = new Map<string, Xyz>();
  for (const p of points) {
    const bin = p.map((v) => roundHalfEven(v / bandwidth));
    bins.set(bin.join(), bin.map((v) => v * bandwidth) as unknown as Xyz);
  }
  const seeds = bins.size === points.length ? points : [...bins.values()];
  const found = seeds.map((seed) => climb(points, seed, bandwidth)).filter((c) => c !== null);
  found.sort((a, b) => b.size - a.size || compare(b.centre, a.centre));
  const centres: Xyz[] = [];
  for (const { centre } of found) {
    if (centres.every((kept) => distance(kept, centre) > bandwidth)) centres.push(centre);
  }
  return { centres, labels: points.map((p) => nearest(p, centres)) };
}

/**
 * How clearly clusters are apart: smallest distance of two centres over the largest 90th percentile of distances to the own centre. Null
 * where it cannot be told.
 */
export function gapRatio(points: readonly Xyz[], { centres, labels }: Clusters): number | null {
  if (centres.length < 2) return null;
  let closest = Infinity;
  centres.forEach((a, i) => {
    for (const b of centres.slice(i + 1)) closest = Math.min(closest, distance(a, b));
  });
  const spreads = centres.map((centre, c) => {
    const own = points.filter((_, i) => labels[i] === c).map((p) => distance(p, centre));
    return own.length === 0 ? 0 : percentile(own, 90);
  });
  const widest = Math.max(...spreads);
  return widest < 1e-8 ? null : closest / widest;
}

export function nearest(p: Xyz, centres: readonly Xyz[]): number {
  return centres.reduce((best, centre, i) => (distance(p, centre) < distance(p, centres[best]!) ? i : best), 0);
}

function climb(points: readonly Xyz[], seed: Xyz, bandwidth: number): { centre: Xyz; size: number } | null {
  let centre = seed;
  let size = 0;
  for (let i = 0; i < MOST_ITERATIONS; i++) {
    const within = points.filter((p) => distance(p, centre) <= bandwidth);
    if (within.length === 0) return null;
    size = within.length;
    const moved = [0, 1, 2].map((axis) => mean(within.map((p) => p[axis]!))) as unknown as Xyz;
    const step = distance(moved, centre);
    centre = moved;
    if (step <= 1e-3 * bandwidth) break;
  }
  return { centre, size };
}

function distance(a: Xyz, b: Xyz): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function compare(a: Xyz, b: Xyz): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
