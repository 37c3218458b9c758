import type { Vector3 } from '../core/vector.js';

/**
 * The rays of a picture. With perspective, all start at `origin` and pixel (u, v) looks along base + u * right + v * down. Parallel rays all look along
 * `base`, and that of pixel (u, v) starts at origin + u * right + v * down.
 */
export interface Rays {
  readonly width: number;
  readonly height: number;
  readonly origin: Vector3;
  readonly base: Vector3;
  readonly right: Vector3;
  readonly down: Vector3;
  readonly isParallel: boolean;
}

/** What each ray of a picture hits first, row by row. */
export interface Hits {
  /** In lengths of the ray's direction; that is the depth where the direction has depth 1. Infinity where nothing is hit. */
  readonly distance: Float32Array;
  /** Index of the geom; -1 where nothing is hit. */
  readonly geom: Int16Array;
}

/** A hit nearer than this is inside the camera and does not count, metres. */
export const NEAR_M = 0.01;
