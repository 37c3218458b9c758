import { mat4 } from 'gl-matrix';
import type { Transform } from '../../src/geometry/transform.js';

/** The homogeneous matrix of a transform as rows, [4][4], as the reference data have it. */
export function matrixRows({ rotation, translation }: Transform): number[][] {
  const columns = mat4.fromRotationTranslation(new Float64Array(16), rotation, translation);
  return [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => columns[4 * column + row]!));
}
