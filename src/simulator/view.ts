import type { Transform } from '../geometry/transform.js';

/** A pinhole camera without distortion, at the place where it stands now. */
export interface View {
  /** Pose of the optical frame (x right, y down, z forward) in the world. */
  readonly pose: Transform;
  readonly width: number;
  readonly height: number;
  /** Focal length in pixels, the same in both directions. */
  readonly focal: number;
  /** Principal point, pixels; pixel centres are integers. */
  readonly center: readonly [number, number];
}
