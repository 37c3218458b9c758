import type { Vector3 } from '../core/vector.js';

/** One primitive shape of the scene, where it is now. Metres. */
export interface VisibleGeom {
  readonly name: string;
  readonly shape: 'box' | 'sphere' | 'cylinder' | 'capsule';
  /** Half sizes of a box; radius of a sphere; radius and half length of a cylinder or capsule. */
  readonly size: Vector3;
  /** Red, green and blue, 0 to 1. */
  readonly color: Vector3;
  /** True for a part of the world that never moves. */
  readonly isFixed: boolean;
  /** Centre in the world. */
  readonly position: Float64Array;
  /** Rotation from the geom's frame into the world, row-major. */
  readonly rotation: Float64Array;
}
