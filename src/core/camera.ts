import type { Pixel, Vector3 } from './vector.js';

/** Pinhole intrinsics in pixels; integer pixel coordinates are pixel centres. */
export interface Intrinsics {
  readonly width: number;
  readonly height: number;
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
}

/** Projects between pixels and rays of one camera. Axes of the optical frame: x right, y down, z forward (REP 103). */
export interface Camera {
  readonly intrinsics: Intrinsics;
  /** Camera-frame point in metres to a pixel (it may lie outside the picture); null behind the camera or where the lens shows no such ray. */
  project(point: Vector3): Pixel | null;
  /** Pixel to (x/z, y/z) of its ray; null where the lens model has no pre-image. */
  normalize(pixel: Pixel): readonly [number, number] | null;
  /** Pixel and z-depth in metres to a camera-frame point; null where the lens model has no pre-image. */
  unproject(pixel: Pixel, depthM: number): Vector3 | null;
  /** Whether the pixel lies in the picture. */
  contains(pixel: Pixel): boolean;
}
