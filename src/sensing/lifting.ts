import type { Camera } from '../core/camera.js';
import type { DepthImage } from '../core/images.js';
import { median, percentile } from '../core/statistics.js';
import type { Pixel, Vector3 } from '../core/vector.js';

export interface LiftingOptions {
  /** Half width of the square window of depth pixels around a point; 2 is 5x5. */
  readonly radiusPx: number;
  /** Fewest valid neighbours in the window that make a reading. */
  readonly minValid: number;
  /** Widest distance from the median that four of five neighbours keep, as a share of the median depth. Wider is an edge. */
  readonly maxSpread: number;
  /** Nearer and farther readings are no measurement of any depth camera, metres. */
  readonly minDepthM: number;
  readonly maxDepthM: number;
}

export const DEFAULT_LIFTING: LiftingOptions = {
  radiusPx: 2,
  minValid: 5,
  maxSpread: 0.03,
  minDepthM: 0.02,
  maxDepthM: 20,
};

export type Lifted =
  | { readonly position: Vector3; readonly depthM: number }
  /** `outside`, `no-depth`, `out-of-range`, `edge` or `no-ray`, and the words for people. */
  | { readonly position: null; readonly reason: string; readonly message: string };

/**
 * Robust depth of a pixel: the median of the valid depths around it, refused where they disagree. At the border of an object the window holds
 * both surfaces; the point then belongs to neither.
 */
export function liftPixel(
  pixel: Pixel,
  depth: DepthImage,
  camera: Camera,
  options: LiftingOptions = DEFAULT_LIFTING,
): Lifted {
  const x = Math.round(pixel[0]);
  const y = Math.round(pixel[1]);
  const at = `pixel (${pixel[0]}, ${pixel[1]})`;
  if (!(x >= 0 && y >= 0 && x < depth.width && y < depth.height)) {
    return refuse('outside', `${at} is outside the ${depth.width}x${depth.height} depth image`);
  }
  const centre = depth.data[y * depth.width + x]!;
  const values = validAround(depth, x, y, options);
  if (Number.isNaN(centre)) {
    return refuse(
      'no-depth',
      `${at} has no depth measurement (a hole: ${values.length} of ${(2 * options.radiusPx + 1) ** 2} neighbours are valid)`,
    );
  }
  if (centre < options.minDepthM || centre > options.maxDepthM) {
    return refuse('out-of-range', `${at} reads ${centre} m, outside ${options.minDepthM} to ${options.maxDepthM} m`);
  }
  if (values.length < options.minValid) {
    return refuse('no-depth', `${at} has only ${values.length} valid depth neighbours, fewer than ${options.minValid}`);
  }
  const depthM = median(values);
  const spreadM = percentile(
    values.map((value) => Math.abs(value - depthM)),
    80,
  );
  if (spreadM > options.maxSpread * depthM || Math.abs(centre - depthM) > 3 * options.maxSpread * depthM) {
    return refuse(
      'edge',
      `${at} lies on a depth edge: its neighbours spread ${(spreadM * 1000).toFixed(1)} mm around ${depthM.toFixed(3)} m, it reads ${centre.toFixed(3)} m`,
    );
  }
  const position = camera.unproject(pixel, depthM);
  if (!position) return refuse('no-ray', `${at} has no ray: the lens model ends before it`);
  return { position, depthM };
}

function validAround(
  depth: DepthImage,
  x: number,
  y: number,
  { radiusPx, minDepthM, maxDepthM }: LiftingOptions,
): number[] {
  const values: number[] = [];
  for (let row = Math.max(0, y - radiusPx); row <= Math.min(depth.height - 1, y + radiusPx); row++) {
    for (let column = Math.max(0, x - radiusPx); column <= Math.min(depth.width - 1, x + radiusPx); column++) {
      const value = depth.data[row * depth.width + column]!;
      if (value >= minDepthM && value <= maxDepthM) values.push(value);
    }
  }
  return values;
}

function refuse(reason: string, message: string): Lifted {
  return { position: null, reason, message };
}
