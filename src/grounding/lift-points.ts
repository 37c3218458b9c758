import { vec2 } from 'gl-matrix';
import type { Camera } from '../core/camera.js';
import type { DepthImage, MaskImage } from '../core/images.js';
import type { QueryPoint } from '../core/query-points.js';
import type { Pixel } from '../core/vector.js';
import { DEFAULT_LIFTING, liftPixel, type LiftingOptions } from '../sensing/lifting.js';
import { clusterMask } from './kmeans-points.js';
import { area } from './mask-selection.js';
import { erode } from './region-growing.js';

/** MolmoMotion was trained with 8 points. */
export const POINT_COUNT = 8;

/** A query point is preferred where its own reading and the median around it agree this well, metres: noise of one pixel is then small. */
const AGREEMENT_M = 0.005;

/** Pixels at the rim of a mask that no point is taken from. */
const RIM_PX = 2;

export interface LiftPointsOptions {
  readonly points: number;
  readonly seed: number;
  readonly lifting?: LiftingOptions;
}

/** Given pixels, each lifted where it can be. Nothing is replaced: who clicks means that pixel. */
export function liftClicks(
  pixels: readonly Pixel[],
  depth: DepthImage,
  camera: Camera,
  lifting: LiftingOptions = DEFAULT_LIFTING,
): readonly QueryPoint[] {
  return pixels.map((pixel) => {
    const lifted = liftPixel(pixel, depth, camera, lifting);
    return lifted.position ? { pixel, position: lifted.position } : { pixel, position: null, refused: lifted.message };
  });
}

/**
 * Points spread over a mask, one from each of k compact parts of it: the pixel nearest to the part's centre that can be lifted. A part without
 * any such pixel is reported as refused, at its centre; then a neighbouring part gives a second point where it can.
 */
export function liftMask(
  mask: MaskImage,
  depth: DepthImage,
  camera: Camera,
  options: LiftPointsOptions,
): readonly QueryPoint[] {
  const lifting = options.lifting ?? DEFAULT_LIFTING;
  const own = within(mask, depth);
  const clusters = clusterMask(withoutRim(mask, options.points), options.points, options.seed);
  const used = new Set<string>();
  const points: QueryPoint[] = [];
  const refused: QueryPoint[] = [];
  for (const { centre, pixels } of clusters) {
    const point = bestPoint(centre, pixels, own, camera, lifting, used);
    if (point.position) points.push(point);
    else refused.push(point);
  }
  for (const gap of refused) {
    const everywhere = clusters.flatMap((cluster) => cluster.pixels);
    const replacement = points.length === 0 ? gap : bestPoint(gap.pixel, everywhere, own, camera, lifting, used);
    points.push(replacement.position ? replacement : gap);
  }
  return points;
}

/** An object of few pixels keeps some of its rim: there must be one for each point. */
function withoutRim(mask: MaskImage, points: number): MaskImage {
  for (let rim = RIM_PX; rim > 0; rim--) {
    const inner = erode(mask, rim);
    if (area(inner) >= points) return inner;
  }
  return mask;
}

/** Depth of the object alone: what is behind it says nothing about it, and would refuse every point of an object of a few pixels. */
function within(mask: MaskImage, { width, height, data }: DepthImage): DepthImage {
  return { width, height, data: data.map((metres, i) => (mask.data[i] === 0 ? Number.NaN : metres)) };
}

/** @param used pixels already taken; the chosen one is added. */
function bestPoint(
  centre: Pixel,
  pixels: readonly Pixel[],
  depth: DepthImage,
  camera: Camera,
  lifting: LiftingOptions,
  used: Set<string>,
): QueryPoint {
  const nearestFirst = pixels
    .filter((pixel) => !used.has(pixel.join()))
    .map((pixel) => [vec2.distance(pixel, centre), pixel] as const)
    .sort(([a], [b]) => a - b);
  let fallback: QueryPoint | null = null;
  let refusal: QueryPoint = { pixel: centre, position: null, refused: 'no pixel of this part of the mask is left' };
  for (const [i, [, pixel]] of nearestFirst.entries()) {
    const lifted = liftPixel(pixel, depth, camera, lifting);
    if (!lifted.position) {
      if (i === 0) refusal = { pixel, position: null, refused: lifted.message };
      continue;
    }
    const raw = depth.data[pixel[1] * depth.width + pixel[0]]!;
    const point: QueryPoint = { pixel, position: lifted.position };
    if (Math.abs(raw - lifted.depthM) <= AGREEMENT_M) {
      used.add(pixel.join());
      return point;
    }
    fallback ??= point;
  }
  if (fallback) used.add(fallback.pixel.join());
  return fallback ?? refusal;
}
