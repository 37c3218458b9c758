import { InputError } from '../../core/errors.js';
import { roundHalfEven } from '../../core/rounding.js';
import { median } from '../../core/statistics.js';
import { pointMotion, type PointMotion } from './point-motion.js';

export interface DepthVideo {
  readonly width: number;
  readonly height: number;
  /** Metres of frame t; null when the frame is missing. */
  frame(t: number): ArrayLike<number> | null;
}

export interface PixelTracks {
  readonly frames: number;
  readonly count: number;
  /** x, y of point n at frame t at `(t * count + n) * 2`, in pixels of `width` x `height`. */
  readonly pixels: ArrayLike<number>;
  readonly visible: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
}

/**
 * 2-D tracks to world points as the annotation pipeline lifts them: nearest depth pixel (ties to even, clamped to the image), back-projected
 * through that rounded pixel, then camera to world.
 * @param intrinsics fx, fy, cx, cy of each frame, at the depth's resolution.
 * @param poses row-major 4x4 camera to world of each frame.
 * @param medianSize side of the median window over depth (reflected at the border); 1 takes the pixel itself.
 */
export function liftTracks(
  tracks: PixelTracks,
  depth: DepthVideo,
  intrinsics: ArrayLike<number>,
  poses: ArrayLike<number>,
  medianSize = 1,
): PointMotion {
  const { frames, count, pixels, visible } = tracks;
  if (intrinsics.length < frames * 4 || poses.length < frames * 16) {
    throw new InputError({
      code: 'tracks.frames',
      message: `${frames} frames need as many intrinsics and poses, there are ${Math.floor(intrinsics.length / 4)} and ${Math.floor(poses.length / 16)}`,
      remedy: 'give the files of the same video',
    });
  }
  const positions = new Float64Array(frames * count * 3).fill(Number.NaN);
  for (let t = 0; t < frames; t++) {
    const image = depth.frame(t);
    if (!image) continue;
    const [fx, fy, cx, cy] = [0, 1, 2, 3].map((i) => intrinsics[t * 4 + i]!) as [number, number, number, number];
    for (let n = 0; n < count; n++) {
      const at = t * count + n;
      if (visible[at] === 0) continue;
      const x = clampedPixel((pixels[at * 2]! * depth.width) / tracks.width, depth.width);
      const y = clampedPixel((pixels[at * 2 + 1]! * depth.height) / tracks.height, depth.height);
      const z = medianAround(image, depth, x, y, medianSize);
      if (!(z > 0) || !Number.isFinite(z)) continue;
      const camera = [((x - cx) * z) / fx, ((y - cy) * z) / fy, z] as const;
      for (let row = 0; row < 3; row++) {
        const p = t * 16 + row * 4;
        positions[at * 3 + row] =
          poses[p]! * camera[0] + poses[p + 1]! * camera[1] + poses[p + 2]! * camera[2] + poses[p + 3]!;
      }
    }
  }
  return pointMotion(frames, count, positions, visible);
}

function clampedPixel(value: number, size: number): number {
  return Math.min(size - 1, Math.max(0, roundHalfEven(value)));
}

/** Median of a square window, borders reflected with the edge repeated (scipy.ndimage.median_filter). */
function medianAround(
  image: ArrayLike<number>,
  { width, height }: DepthVideo,
  x: number,
  y: number,
  size: number,
): number {
  if (size === 1) return image[y * width + x]!;
  const reach = Math.floor(size / 2);
  const values: number[] = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++)
      values.push(image[reflect(y + dy, height) * width + reflect(x + dx, width)]!);
  }
  return median(values);
}

function reflect(index: number, size: number): number {
  if (index < 0) return -index - 1;
  return index >= size ? 2 * size - 1 - index : index;
}
