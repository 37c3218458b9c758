import type { Nanoseconds } from './time.js';

/** Measured joints of one arm in the order of its joint names, never in message order. */
export interface JointPositions {
  readonly stamp: Nanoseconds;
  readonly names: readonly string[];
  /** Radians (metres for a prismatic joint). */
  readonly positions: readonly number[];
  /** Rad/s; null when the source did not report velocities. */
  readonly velocities: readonly number[] | null;
}
