import type { Vector3 } from '../core/vector.js';

/** The three numbers of an array from an index on: a vector out of MuJoCo's flat arrays. */
export function threeOf(values: ArrayLike<number>, at: number): Vector3 {
  return [values[at]!, values[at + 1]!, values[at + 2]!];
}
