import { InputError } from '../../core/errors.js';

/** N tracked points over T frames, metres. Arrays are frame-major: point n at frame t is at `(t * count + n)`. */
export interface PointMotion {
  readonly frames: number;
  readonly count: number;
  /** x, y, z; NaN where not visible. */
  readonly positions: Float64Array;
  /** 1 where the point is visible and its position finite. */
  readonly visible: Uint8Array;
}

/** Visibility is taken back where the position is not finite, and positions where it is not visible: one meaning for both. */
export function pointMotion(
  frames: number,
  count: number,
  positions: ArrayLike<number>,
  visible: ArrayLike<number>,
): PointMotion {
  if (positions.length !== frames * count * 3 || visible.length !== frames * count) {
    throw new InputError({
      code: 'tracks.shape',
      message: `${frames} frames of ${count} tracks need ${frames * count * 3} coordinates and ${frames * count} visibilities, not ${positions.length} and ${visible.length}`,
      remedy: 'give points_3d (N, T, 3) and visibility (N, T, 1)',
    });
  }
  const own = Float64Array.from(positions);
  const seen = new Uint8Array(frames * count);
  for (let i = 0; i < seen.length; i++) {
    const finite = Number.isFinite(own[i * 3]) && Number.isFinite(own[i * 3 + 1]) && Number.isFinite(own[i * 3 + 2]);
    if (finite && visible[i] !== 0) seen[i] = 1;
    else own.fill(Number.NaN, i * 3, i * 3 + 3);
  }
  return { frames, count, positions: own, visible: seen };
}

export function distanceBetween({ positions }: PointMotion, a: number, b: number): number {
  return Math.hypot(
    positions[a * 3]! - positions[b * 3]!,
    positions[a * 3 + 1]! - positions[b * 3 + 1]!,
    positions[a * 3 + 2]! - positions[b * 3 + 2]!,
  );
}
