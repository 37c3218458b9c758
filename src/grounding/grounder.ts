import type { CameraFrame } from '../core/observation.js';
import type { Nanoseconds } from '../core/time.js';
import type { QueryPoints } from '../core/query-points.js';
import type { Transform } from '../geometry/transform.js';

export interface GroundingRequest {
  /** Pictures of one camera, oldest first, the last at t0. */
  readonly window: readonly CameraFrame[];
  readonly instruction: string;
  /** Maps points of a frame's camera into the camera at t0; the identity for a camera that does not move. Throws where TF has no answer. */
  readonly intoT0: (frame: CameraFrame) => Transform;
  /** Maps points of one frame into another. Throws where TF has no answer. */
  readonly lookup: (target: string, source: string, stamp: Nanoseconds) => Transform;
}

/** From a named or pointed object to query points with their history. */
export interface Grounder {
  readonly name: string;
  /** Rejects with InputError when the object or its points cannot be had. Null when nothing is asked for at present. */
  ground(request: GroundingRequest): Promise<QueryPoints | null>;
}
