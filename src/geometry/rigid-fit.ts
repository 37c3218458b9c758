import { quat, vec3 } from 'gl-matrix';
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { InputError } from '../core/errors.js';
import { isFiniteVector, type Vector3 } from '../core/vector.js';
import type { Transform } from './transform.js';

/** target = R source + t in the weighted least-squares sense. */
export interface RigidFit {
  readonly transform: Transform;
  /** sqrt(sum w |R s + t - target|^2 / sum w), metres: how far the points are from moving rigidly. */
  readonly rmsM: number;
  /** Largest distance over all points, also those of weight 0, metres. */
  readonly maxResidualM: number;
  /** False when the points leave the rotation (partly) free: fewer than three, all on one line, or all in one place. */
  readonly unique: boolean;
}

/**
 * Weighted rigid fit about the weighted centroids (Kabsch 1976, with the determinant fix of Umeyama 1991). Shapes: source and target [P], metres.
 * @throws InputError `rigid-fit.points` for no points, different lengths, a point that is not finite, a negative weight, or weights that sum to 0.
 */
export function fitRigidMotion(
  source: readonly Vector3[],
  target: readonly Vector3[],
  weights: readonly number[] = source.map(() => 1),
): RigidFit {
  const total = weights.reduce((sum, w) => sum + w, 0);
  if (
    source.length === 0 ||
    source.length !== target.length ||
    weights.length !== source.length ||
    weights.some((w) => !(w >= 0) || !Number.isFinite(w)) ||
    !(total > 0) ||
    !source.every(isFiniteVector) ||
    !target.every(isFiniteVector)
  ) {
    throw new InputError({
      code: 'rigid-fit.points',
      message: `a rigid motion cannot be fitted to ${source.length} source and ${target.length} target points with ${weights.length} weights summing to ${total}`,
      remedy: 'give as many targets and weights as sources, all finite, weights not negative and not all zero',
    });
  }
  const centroid = (points: readonly Vector3[]): Vector3 => {
    const sum: [number, number, number] = [0, 0, 0];
    points.forEach((p, i) => vec3.scaleAndAdd(sum, sum, p, weights[i]! / total));
    return sum;
  };
  const from = centroid(source);
  const to = centroid(target);
  const covariance = Matrix.zeros(3, 3);
  let spread = 0;
  source.forEach((s, i) => {
    const t = target[i]!;
    const w = weights[i]! / total;
    for (let row = 0; row < 3; row++) {
      spread += w * ((s[row]! - from[row]!) ** 2 + (t[row]! - to[row]!) ** 2);
      for (let column = 0; column < 3; column++) {
        covariance.set(
          row,
          column,
          covariance.get(row, column) + w * (t[row]! - to[row]!) * (s[column]! - from[column]!),
        );
      }
    }
  });
  const svd = new SingularValueDecomposition(covariance, { autoTranspose: true });
  const u = svd.leftSingularVectors;
  const v = svd.rightSingularVectors;
  const handedness = Math.sign(determinant(u) * determinant(v)) || 1;
  const rotation = u.mmul(Matrix.diag([1, 1, handedness])).mmul(v.transpose());
  // gl-matrix has columns one after another, so it takes the rows of the transpose.
  const quaternion = quat.fromMat3([0, 0, 0, 1], rotation.transpose().to1DArray());
  quat.normalize(quaternion, quaternion);
  const moved = vec3.transformQuat([0, 0, 0], from, quaternion);
  const transform: Transform = { translation: vec3.subtract([0, 0, 0], to, moved), rotation: quaternion };
  let squared = 0;
  let largest = 0;
  source.forEach((s, i) => {
    // Residuals are measured about the centroids: far from the origin the difference of large coordinates would drown them.
    const fitted = vec3.subtract([0, 0, 0], s, from);
    vec3.transformQuat(fitted, fitted, quaternion);
    const residual = vec3.distance(fitted, vec3.subtract([0, 0, 0], target[i]!, to));
    squared += (weights[i]! / total) * residual * residual;
    largest = Math.max(largest, residual);
  });
  // Two independent directions must have real extent (relative to the spread of the points) for the rotation to be determined.
  const [, second = 0] = svd.diagonal;
  return { transform, rmsM: Math.sqrt(squared), maxResidualM: largest, unique: second > 1e-9 * spread };
}

function determinant(m: Matrix): number {
  const g = (r: number, c: number): number => m.get(r, c);
  return (
    g(0, 0) * (g(1, 1) * g(2, 2) - g(1, 2) * g(2, 1)) -
    g(0, 1) * (g(1, 0) * g(2, 2) - g(1, 2) * g(2, 0)) +
    g(0, 2) * (g(1, 0) * g(2, 1) - g(1, 1) * g(2, 0))
  );
}
