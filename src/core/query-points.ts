import type { Nanoseconds } from './time.js';
import type { Pixel, Vector3 } from './vector.js';

/** One point on the named object at the time of an image. */
export interface QueryPoint {
  readonly pixel: Pixel;
  /** Metres in the camera's optical frame; null when the point could not be lifted. */
  readonly position: Vector3 | null;
  /** Why `position` is null. */
  readonly refused?: string;
}

/** Points on the named object: their pixels at t0, and their positions over the history, all in the optical frame of the camera at t0. */
export interface QueryPoints {
  readonly camera: string;
  readonly frameId: string;
  /** Time of the image that the pixels belong to, t0. */
  readonly stamp: Nanoseconds;
  readonly points: readonly QueryPoint[];
  /** Everything of the object that the camera sees and measures at t0, metres; left out where nobody knows its outline. */
  readonly surface?: readonly Vector3[];
  /**
   * `history[h][p]` in metres, h from the oldest frame to t0, p over the points whose `position` is not null, in their order.
   * Every frame is in the optical frame of t0. Null where a point was not seen in that frame.
   */
  readonly history: readonly (readonly (Vector3 | null)[])[];
  /** Time of each history frame; the last is `stamp`. */
  readonly historyStamps: readonly Nanoseconds[];
  /** Which of a recording's known tracks the lifted points are, in their order; null for points that come from elsewhere. */
  readonly tracks: readonly number[] | null;
}

export function liftedPoints(query: QueryPoints): readonly (QueryPoint & { readonly position: Vector3 })[] {
  return query.points.filter((point): point is QueryPoint & { readonly position: Vector3 } => point.position !== null);
}
