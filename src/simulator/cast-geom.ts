import { vec3 } from 'gl-matrix';
import type { Vector3 } from '../core/vector.js';
import { capsule, cylinder, sphere } from './ray-shapes.js';
import { NEAR_M, type Hits, type Rays } from './rays.js';
import type { Bounds } from './screen-bounds.js';
import type { VisibleGeom } from './visible-geom.js';

/** Casts the rays within the bounds at one geom, and enters it into `hits` where it is nearer than what they have hit so far. @param id its index. */
export function castGeom(
  geom: VisibleGeom,
  id: number,
  rays: Rays,
  [left, right, top, bottom]: Bounds,
  hits: Hits,
): void {
  const window = {
    u0: Math.max(0, Math.floor(left)),
    u1: Math.min(rays.width - 1, Math.ceil(right)),
    v0: Math.max(0, Math.floor(top)),
    v1: Math.min(rays.height - 1, Math.ceil(bottom)),
  };
  if (window.u0 > window.u1 || window.v0 > window.v1) return;
  const local = inFrameOf(geom, rays);
  if (geom.shape === 'box') castBox(local, geom.size, id, window, hits);
  else castRound(local, geom, id, window, hits);
}

/** Pixels whose rays are cast: columns u0 to u1 and rows v0 to v1, all included. */
interface Window {
  readonly u0: number;
  readonly u1: number;
  readonly v0: number;
  readonly v1: number;
}

function inFrameOf({ rotation: m, position }: VisibleGeom, rays: Rays): Rays {
  const turned = ([x, y, z]: Vector3): Vector3 => [
    m[0]! * x + m[3]! * y + m[6]! * z,
    m[1]! * x + m[4]! * y + m[7]! * z,
    m[2]! * x + m[5]! * y + m[8]! * z,
  ];
  return {
    ...rays,
    origin: turned(vec3.subtract([0, 0, 0], rays.origin, position)),
    base: turned(rays.base),
    right: turned(rays.right),
    down: turned(rays.down),
  };
}

function castRound(
  { width, isParallel, origin: [ox, oy, oz], base: [bx, by, bz], right: [rx, ry, rz], down: [dx, dy, dz] }: Rays,
  { shape, size: [radius, half] }: VisibleGeom,
  id: number,
  { u0, u1, v0, v1 }: Window,
  { distance, geom: ids }: Hits,
): void {
  // The functions are named here, not looked up in a table: only then does the compiler make them part of the loop.
  const isSphere = shape === 'sphere';
  const isCylinder = shape === 'cylinder';
  for (let v = v0; v <= v1; v++) {
    let at = v * width + u0;
    for (let u = u0; u <= u1; u++, at++) {
      const sx = u * rx + v * dx;
      const sy = u * ry + v * dy;
      const sz = u * rz + v * dz;
      const px = isParallel ? ox + sx : ox;
      const py = isParallel ? oy + sy : oy;
      const pz = isParallel ? oz + sz : oz;
      const qx = isParallel ? bx : bx + sx;
      const qy = isParallel ? by : by + sy;
      const qz = isParallel ? bz : bz + sz;
      const t = isSphere
        ? sphere(px, py, pz, qx, qy, qz, radius)
        : isCylinder
          ? cylinder(px, py, pz, qx, qy, qz, radius, half)
          : capsule(px, py, pz, qx, qy, qz, radius, half);
      if (t > NEAR_M && t < distance[at]!) {
        distance[at] = t;
        ids[at] = id;
      }
    }
  }
}

/**
 * Boxes have a loop of their own because they cover most of a picture (the table, walls). A box is where three slabs overlap: a ray enters it where it
 * enters the last slab, and leaves it where it leaves the first.
 */
function castBox(
  { width, isParallel, origin: [ox, oy, oz], base: [bx, by, bz], right: [rx, ry, rz], down: [dx, dy, dz] }: Rays,
  [a, b, c]: Vector3,
  id: number,
  { u0, u1, v0, v1 }: Window,
  { distance, geom: ids }: Hits,
): void {
  for (let v = v0; v <= v1; v++) {
    let at = v * width + u0;
    for (let u = u0; u <= u1; u++, at++) {
      const sx = u * rx + v * dx;
      const sy = u * ry + v * dy;
      const sz = u * rz + v * dz;
      // A ray parallel to a slab divides by 0. That gives infinities of the right signs, or NaN on the very face, and no comparison holds for NaN.
      const ix = 1 / (isParallel ? bx : bx + sx);
      const iy = 1 / (isParallel ? by : by + sy);
      const iz = 1 / (isParallel ? bz : bz + sz);
      const px = isParallel ? ox + sx : ox;
      const py = isParallel ? oy + sy : oy;
      const pz = isParallel ? oz + sz : oz;
      // The ray is inside a slab from middle - half to middle + half.
      const hx = a * Math.abs(ix);
      const hy = b * Math.abs(iy);
      const hz = c * Math.abs(iz);
      const mx = -px * ix;
      const my = -py * iy;
      const mz = -pz * iz;
      const near = Math.max(mx - hx, my - hy, mz - hz);
      const far = Math.min(mx + hx, my + hy, mz + hz);
      if (!(near <= far) || far <= NEAR_M) continue;
      const t = near > NEAR_M ? near : far;
      if (t < distance[at]!) {
        distance[at] = t;
        ids[at] = id;
      }
    }
  }
}
