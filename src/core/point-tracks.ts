import type { Nanoseconds } from './time.js';
import type { Pixel, Vector3 } from './vector.js';

/** Known motion of N points over T frames, seen from one camera. */
export interface PointTracks {
  readonly camera: string;
  readonly frameId: string;
  /** Time of each frame, ascending, [T]. */
  readonly stamps: readonly Nanoseconds[];
  /** `positions[t][n]` in metres, all in one fixed camera frame (`frameId` at any time: the camera does not move, or its first pose is meant); null where unknown. */
  readonly positions: readonly (readonly (Vector3 | null)[])[];
  readonly visible: readonly (readonly boolean[])[];
  /** `pixels[t][n]`, null where unknown; null altogether when the source has none. */
  readonly pixels: readonly (readonly (Pixel | null)[] | null)[] | null;
  /** Index of t0 when the source defines it (a clip); null for a whole rollout. */
  readonly t0: number | null;
}

/** The row nearest to a stamp, if it is within half a step; null otherwise. */
export function trackRow({ stamps }: PointTracks, stamp: Nanoseconds): number | null {
  let best = 0;
  stamps.forEach((candidate, i) => {
    if (absolute(candidate - stamp) < absolute(stamps[best]! - stamp)) best = i;
  });
  const step = stamps.length > 1 ? absolute(stamps[1]! - stamps[0]!) : 0n;
  return absolute(stamps[best]! - stamp) * 2n <= step ? best : null;
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}
