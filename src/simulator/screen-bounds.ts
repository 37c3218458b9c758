import { vec3 } from 'gl-matrix';
import type { Vector3 } from '../core/vector.js';
import { NEAR_M, type Rays } from './rays.js';
import type { View } from './view.js';
import type { VisibleGeom } from './visible-geom.js';

/** The rectangle of a picture that a geom may cover, pixels. */
export type Bounds = readonly [left: number, right: number, top: number, bottom: number];

/** The directions in the world that are right, down and forward in a picture. */
export type Axes = readonly [right: Vector3, down: Vector3, forward: Vector3];

/** Corners of the box around a shape, in the world. */
function corners({ shape, size, position: p, rotation: m }: VisibleGeom): Vector3[] {
  const [a, b, c] = size;
  const half = { box: [a, b, c], sphere: [a, a, a], cylinder: [a, a, b], capsule: [a, a, a + b] }[shape];
  return Array.from({ length: 8 }, (_, i) => {
    const local = half.map((h, axis) => ((i >> axis) & 1 ? h : -h));
    const along = (row: number): number =>
      p[row]! + m[3 * row]! * local[0]! + m[3 * row + 1]! * local[1]! + m[3 * row + 2]! * local[2]!;
    return [along(0), along(1), along(2)];
  });
}

/** Bounds for parallel rays. @param x unit vector to the right. @param y unit vector down. @param step distance between two rays, metres. */
export function parallelBounds(geom: VisibleGeom, { origin }: Rays, x: Vector3, y: Vector3, step: number): Bounds {
  const offsets = corners(geom).map((corner) => vec3.subtract([0, 0, 0], corner, origin));
  const us = offsets.map((offset) => vec3.dot(offset, x) / step);
  const vs = offsets.map((offset) => vec3.dot(offset, y) / step);
  return [Math.min(...us), Math.max(...us), Math.min(...vs), Math.max(...vs)];
}

/** Bounds for a camera: the outline of the part of the geom's box that is in front of the camera; null where no part is. */
export function perspectiveBounds(geom: VisibleGeom, { pose, focal, center }: View, axes: Axes): Bounds | null {
  const seen = corners(geom).map((corner): Vector3 => {
    const d = vec3.subtract([0, 0, 0], corner, pose.translation);
    return [vec3.dot(axes[0], d), vec3.dot(axes[1], d), vec3.dot(axes[2], d)];
  });
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  const include = (x: number, y: number, z: number): void => {
    left = Math.min(left, x / z);
    right = Math.max(right, x / z);
    top = Math.min(top, y / z);
    bottom = Math.max(bottom, y / z);
  };
  seen.forEach(([x, y, z], i) => {
    if (z >= NEAR_M) include(x, y, z);
    // An edge of the box that crosses the near plane is cut there.
    for (const axis of [0, 1, 2]) {
      const [x2, y2, z2] = seen[i ^ (1 << axis)]!;
      if (z >= NEAR_M || z2 < NEAR_M) continue;
      const share = (NEAR_M - z) / (z2 - z);
      include(x + share * (x2 - x), y + share * (y2 - y), NEAR_M);
    }
  });
  if (left > right) return null;
  return [center[0] + focal * left, center[0] + focal * right, center[1] + focal * top, center[1] + focal * bottom];
}
