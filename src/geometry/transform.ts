import type { Vector3 } from '../core/vector.js';

/** x, y, z, w (ROS order). */
export type Quaternion = readonly [number, number, number, number];

/** Row-major 3x3. */
export type Matrix3 = readonly [Vector3, Vector3, Vector3];

/** p_parent = R p_child + t. Translation in metres, rotation a unit quaternion. */
export interface Transform {
  readonly translation: Vector3;
  readonly rotation: Quaternion;
}

export const IDENTITY: Transform = { translation: [0, 0, 0], rotation: [0, 0, 0, 1] };

export function normalizeQuaternion(q: Quaternion): Quaternion {
  const length = Math.hypot(...q);
  return [q[0] / length, q[1] / length, q[2] / length, q[3] / length];
}

export function rotate(q: Quaternion, v: Vector3): Vector3 {
  const [x, y, z, w] = q;
  // v + 2 w (u x v) + 2 u x (u x v), u the vector part
  const cx = y * v[2] - z * v[1];
  const cy = z * v[0] - x * v[2];
  const cz = x * v[1] - y * v[0];
  return [
    v[0] + 2 * (w * cx + y * cz - z * cy),
    v[1] + 2 * (w * cy + z * cx - x * cz),
    v[2] + 2 * (w * cz + x * cy - y * cx),
  ];
}

export function multiplyQuaternions(a: Quaternion, b: Quaternion): Quaternion {
  const [ax, ay, az, aw] = a;
  const [bx, by, bz, bw] = b;
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
}

export function transformPoint(transform: Transform, point: Vector3): Vector3 {
  const [x, y, z] = rotate(transform.rotation, point);
  return [x + transform.translation[0], y + transform.translation[1], z + transform.translation[2]];
}

/** First `inner`, then `outer`: compose(a from b, b from c) = a from c. */
export function compose(outer: Transform, inner: Transform): Transform {
  return {
    translation: transformPoint(outer, inner.translation),
    rotation: multiplyQuaternions(outer.rotation, inner.rotation),
  };
}

/** Rotation by an angle about z. */
export function aboutVertical(angle: number): Quaternion {
  return [0, 0, Math.sin(angle / 2), Math.cos(angle / 2)];
}

/** The inverse of a rotation. */
export function conjugate([x, y, z, w]: Quaternion): Quaternion {
  return [-x, -y, -z, w];
}

export function invert(transform: Transform): Transform {
  const rotation = conjugate(transform.rotation);
  const [tx, ty, tz] = rotate(rotation, transform.translation);
  return { translation: [-tx, -ty, -tz], rotation };
}

/** Spherical interpolation the short way round; inputs are normalised first. fraction 0 gives a, 1 gives b. */
export function slerp(a: Quaternion, b: Quaternion, fraction: number): Quaternion {
  const p = normalizeQuaternion(a);
  let q = normalizeQuaternion(b);
  const cosine = p[0] * q[0] + p[1] * q[1] + p[2] * q[2] + p[3] * q[3];
  if (cosine < 0) {
    q = [-q[0], -q[1], -q[2], -q[3]];
  }
  // |p - q| and |p + q| give the angle to full precision at both ends, where acos loses half the digits.
  const difference = Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2], p[3] - q[3]);
  const sum = Math.hypot(p[0] + q[0], p[1] + q[1], p[2] + q[2], p[3] + q[3]);
  const angle = 2 * Math.atan2(difference, sum);
  const sine = Math.sin(angle);
  const [wp, wq] =
    sine < 1e-12
      ? [1 - fraction, fraction]
      : [Math.sin((1 - fraction) * angle) / sine, Math.sin(fraction * angle) / sine];
  return normalizeQuaternion([
    wp * p[0] + wq * q[0],
    wp * p[1] + wq * q[1],
    wp * p[2] + wq * q[2],
    wp * p[3] + wq * q[3],
  ]);
}

export function interpolate(a: Transform, b: Transform, fraction: number): Transform {
  const t = (i: 0 | 1 | 2): number => a.translation[i] + (b.translation[i] - a.translation[i]) * fraction;
  return { translation: [t(0), t(1), t(2)], rotation: slerp(a.rotation, b.rotation, fraction) };
}

export function matrixOf(q: Quaternion): Matrix3 {
  const columns = [rotate(q, [1, 0, 0]), rotate(q, [0, 1, 0]), rotate(q, [0, 0, 1])] as const;
  const row = (i: 0 | 1 | 2): Vector3 => [columns[0][i], columns[1][i], columns[2][i]];
  return [row(0), row(1), row(2)];
}

/** Rotation matrix (orthonormal, determinant +1) to a unit quaternion with w >= 0 (Shepperd's method). */
export function quaternionOf(m: Matrix3): Quaternion {
  const [[m00, m01, m02], [m10, m11, m12], [m20, m21, m22]] = m;
  const trace = m00 + m11 + m22;
  let q: Quaternion;
  if (trace > 0) {
    const s = 2 * Math.sqrt(trace + 1);
    q = [(m21 - m12) / s, (m02 - m20) / s, (m10 - m01) / s, s / 4];
  } else if (m00 > m11 && m00 > m22) {
    const s = 2 * Math.sqrt(1 + m00 - m11 - m22);
    q = [s / 4, (m01 + m10) / s, (m02 + m20) / s, (m21 - m12) / s];
  } else if (m11 > m22) {
    const s = 2 * Math.sqrt(1 + m11 - m00 - m22);
    q = [(m01 + m10) / s, s / 4, (m12 + m21) / s, (m02 - m20) / s];
  } else {
    const s = 2 * Math.sqrt(1 + m22 - m00 - m11);
    q = [(m02 + m20) / s, (m12 + m21) / s, s / 4, (m10 - m01) / s];
  }
  const unit = normalizeQuaternion(q);
  return unit[3] < 0 ? [-unit[0], -unit[1], -unit[2], -unit[3]] : unit;
}
