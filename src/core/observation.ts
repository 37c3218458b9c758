import type { Camera } from './camera.js';
import type { DepthImage, RgbImage } from './images.js';
import type { JointPositions } from './joint-state.js';
import type { Nanoseconds } from './time.js';

/** One picture of one camera, with depth where the camera has it. Pixels are decoded when first asked for, and then kept. */
export interface CameraFrame {
  readonly camera: string;
  /** Optical frame. */
  readonly frameId: string;
  /** Time of exposure. */
  readonly stamp: Nanoseconds;
  readonly model: Camera;
  /** Of the colour image as it was sent: two pictures with the same one are the same picture. Computed when first asked for. */
  readonly fingerprint: () => string;
  /** Rejects with InputError where the data cannot be decoded. */
  readonly color: () => Promise<RgbImage>;
  /** Aligned to the colour image pixel by pixel; null when the camera has no depth. */
  readonly depth: (() => Promise<DepthImage>) | null;
}

/** What the robot knew at one moment. */
export interface Observation {
  /** t0: time of the newest picture of the first camera. */
  readonly stamp: Nanoseconds;
  /** Windows by camera name, oldest picture first, the last one at t0; each has as many pictures as were asked for. */
  readonly cameras: ReadonlyMap<string, readonly CameraFrame[]>;
  /** Null when no joint states have arrived. */
  readonly joints: JointPositions | null;
  readonly instruction: string;
}
