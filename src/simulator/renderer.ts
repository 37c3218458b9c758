import { vec3 } from 'gl-matrix';
import type { DepthImage, RgbImage } from '../core/images.js';
import type { Vector3 } from '../core/vector.js';
import type { Transform } from '../geometry/transform.js';
import {
  knownColors,
  movingShadows,
  shade,
  type Hits,
  type KnownColors,
  type Light,
  type Rays,
  type Shadows,
} from './shading.js';
import type { VisibleGeom } from './simulation.js';

/**
 * Pictures of primitive shapes by casting a ray through each pixel and intersecting it exactly, but only with shapes whose bounding box covers the
 * pixel. That is several times as fast as casting all rays through MuJoCo, to whose distances a test holds it.
 */

export interface View {
  /** Pose of the optical frame (x right, y down, z forward). */
  readonly pose: Transform;
  readonly width: number;
  readonly height: number;
  /** Pixels; the same in both directions. */
  readonly focal: number;
  /** Principal point with integer pixel centres. */
  readonly center: readonly [number, number];
}

export interface Rendered {
  readonly color: RgbImage;
  readonly depth: DepthImage;
  /** Index of the geom that is seen; -1 for nothing. */
  readonly segmentation: Int16Array;
}

const SHADOW_SIZE = 224;
/** Of the part of the world that throws shadows: a square around the middle of the table. */
const SHADOW_CENTER: Vector3 = [0.42, 0, 0.1];
const SHADOW_HALF_M = 0.75;
const NEAR_M = 0.01;

/** Takes pictures of one scene under one light; what is seen of things that cannot move is kept for as long as a camera stands still. */
export class Renderer {
  readonly #shadows = new Caster();
  readonly #casters: Caster[] = [];

  /** The same moment from several cameras. */
  render(geoms: readonly VisibleGeom[], views: readonly View[], light: Light): Rendered[] {
    const shadows = this.#castShadows(geoms, light);
    const touched = movingShadows(geoms, shadows);
    return views.map((view, k) => {
      const { width, height } = view;
      const caster = (this.#casters[k] ??= new Caster());
      const axes = axesOf(view);
      const rays = raysOf(view, axes);
      const hits = caster.cast(geoms, rays, (geom) => perspectiveBounds(geom, view, axes));
      const fixed = this.#shadows.fixed;
      const known = fixed && caster.colors((own) => knownColors(geoms, rays, own, light, { ...shadows, hits: fixed }));
      return {
        color: { width, height, data: shade(geoms, rays, hits, light, shadows, known, touched) },
        depth: { width, height, data: depthOf(hits) },
        segmentation: hits.geom,
      };
    });
  }

  #castShadows(geoms: readonly VisibleGeom[], { direction: d }: Light): Shadows {
    // A square of parallel rays from far on the light's side.
    const helper: Vector3 = Math.abs(d[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
    const x = vec3.cross([0, 0, 0], helper, d);
    vec3.normalize(x, x);
    const y = vec3.cross([0, 0, 0], d, x);
    const step = (2 * SHADOW_HALF_M) / SHADOW_SIZE;
    const corner = vec3.scaleAndAdd([0, 0, 0], SHADOW_CENTER, d, 2);
    vec3.scaleAndAdd(corner, corner, vec3.add([0, 0, 0], x, y), step / 2 - SHADOW_HALF_M);
    const rays: Rays = {
      width: SHADOW_SIZE,
      height: SHADOW_SIZE,
      origin: corner,
      base: vec3.negate([0, 0, 0], d),
      right: vec3.scale([0, 0, 0], x, step),
      down: vec3.scale([0, 0, 0], y, step),
      isParallel: true,
    };
    const hits = this.#shadows.cast(geoms, rays, (geom) => {
      const all = corners(geom);
      const along = (axis: Vector3): number[] =>
        all.map((p) => vec3.dot(axis, vec3.subtract([0, 0, 0], p, corner)) / step);
      const [us, vs] = [along(x), along(y)];
      return [Math.min(...us), Math.max(...us), Math.min(...vs), Math.max(...vs)];
    });
    return { hits, size: SHADOW_SIZE, corner, x, y, step, direction: d };
  }
}

type BoundsOf = (geom: VisibleGeom) => Bounds | null;

/** Casts rays again and again. */
class Caster {
  #rays: Rays | null = null;
  /** Of the geoms that cannot move; null until rays have come twice. */
  #fixed: Hits | null = null;
  #colors: KnownColors | null = null;
  #distance = new Float32Array(0);

  get fixed(): Hits | null {
    return this.#fixed;
  }

  /** Colours of the geoms that cannot move, made once; null while rays change. */
  colors(make: (fixed: Hits) => KnownColors): KnownColors | null {
    return this.#fixed && (this.#colors ??= make(this.#fixed));
  }

  /** @returns distances that the next call overwrites. */
  cast(geoms: readonly VisibleGeom[], rays: Rays, boundsOf: BoundsOf): Hits {
    const size = rays.width * rays.height;
    if (this.#distance.length !== size) this.#distance = new Float32Array(size);
    const hits: Hits = { distance: this.#distance, geom: new Int16Array(size) };
    if (!this.#rays || !areSame(this.#rays, rays)) {
      this.#rays = rays;
      this.#fixed = null;
      this.#colors = null;
      castInto(nothing(hits), geoms, rays, boundsOf, () => true);
      return hits;
    }
    if (!this.#fixed) {
      this.#fixed = nothing({ distance: new Float32Array(size), geom: new Int16Array(size) });
      castInto(this.#fixed, geoms, rays, boundsOf, ({ isFixed }) => isFixed);
    }
    hits.distance.set(this.#fixed.distance);
    hits.geom.set(this.#fixed.geom);
    castInto(hits, geoms, rays, boundsOf, ({ isFixed }) => !isFixed);
    return hits;
  }
}

function nothing(hits: Hits): Hits {
  hits.distance.fill(Infinity);
  hits.geom.fill(-1);
  return hits;
}

function areSame(a: Rays, b: Rays): boolean {
  return (['origin', 'base', 'right', 'down'] as const).every((part) => vec3.exactEquals(a[part], b[part]));
}

/** The directions in the world that are right, down and forward in a picture. */
type Axes = readonly [right: Vector3, down: Vector3, forward: Vector3];

function axesOf({ pose: { rotation } }: View): Axes {
  const along = (axis: Vector3): Vector3 => vec3.transformQuat([0, 0, 0], axis, rotation);
  return [along([1, 0, 0]), along([0, 1, 0]), along([0, 0, 1])];
}

function raysOf({ width, height, focal, center, pose }: View, [right, down, forward]: Axes): Rays {
  const base = vec3.scaleAndAdd([0, 0, 0], forward, right, -center[0] / focal);
  vec3.scaleAndAdd(base, base, down, -center[1] / focal);
  return {
    width,
    height,
    origin: pose.translation,
    base,
    right: vec3.scale([0, 0, 0], right, 1 / focal),
    down: vec3.scale([0, 0, 0], down, 1 / focal),
    isParallel: false,
  };
}

function depthOf({ distance }: Hits): Float32Array {
  const depth = new Float32Array(distance.length);
  for (let i = 0; i < depth.length; i++) depth[i] = distance[i] === Infinity ? Number.NaN : distance[i]!;
  return depth;
}

type Bounds = readonly [left: number, right: number, top: number, bottom: number];

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

/** Pixels that a shape may cover: the outline of its box, as far as that is in front of the camera. */
function perspectiveBounds(geom: VisibleGeom, { pose, focal, center }: View, axes: Axes): Bounds | null {
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
    // Edges that come through the near plane.
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

/** Adds what the rays meet of some geoms to what they have met; of equals the one that was there stays. */
function castInto(
  { distance, geom: ids }: Hits,
  geoms: readonly VisibleGeom[],
  { width, height, origin, base, right, down, isParallel }: Rays,
  boundsOf: BoundsOf,
  isAsked: (geom: VisibleGeom) => boolean,
): void {
  geoms.forEach((geom, id) => {
    if (!isAsked(geom)) return;
    const bounds = boundsOf(geom);
    if (!bounds) return;
    const u0 = Math.max(0, Math.floor(bounds[0]));
    const u1 = Math.min(width - 1, Math.ceil(bounds[1]));
    const v0 = Math.max(0, Math.floor(bounds[2]));
    const v1 = Math.min(height - 1, Math.ceil(bounds[3]));
    if (u0 > u1 || v0 > v1) return;
    // Everything in the geom's own frame.
    const { rotation: m, position: p, size, shape } = geom;
    const local = (w: Vector3, i: number): number => m[i]! * w[0] + m[3 + i]! * w[1] + m[6 + i]! * w[2];
    const from = vec3.subtract([0, 0, 0], origin, p);
    const [ox, oy, oz] = [local(from, 0), local(from, 1), local(from, 2)];
    const [bx, by, bz] = [local(base, 0), local(base, 1), local(base, 2)];
    const [rx, ry, rz] = [local(right, 0), local(right, 1), local(right, 2)];
    const [dx, dy, dz] = [local(down, 0), local(down, 1), local(down, 2)];
    const [sa, sb] = size;
    if (shape === 'box') {
      castBox(
        [ox, oy, oz, bx, by, bz, rx, ry, rz, dx, dy, dz],
        isParallel,
        size,
        [u0, u1, v0, v1],
        width,
        distance,
        ids,
        id,
      );
      return;
    }
    // Named functions, not one out of a table: only these are made part of the loop by the compiler.
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
          ? sphere(px, py, pz, qx, qy, qz, sa)
          : isCylinder
            ? cylinder(px, py, pz, qx, qy, qz, sa, sb)
            : capsule(px, py, pz, qx, qy, qz, sa, sb);
        if (t > NEAR_M && t < distance[at]!) {
          distance[at] = t;
          ids[at] = id;
        }
      }
    }
  });
}

/**
 * Most of what is seen is boxes (table, walls), so theirs is a loop of its own: a ray meets a box between the last slab that it enters and the first
 * that it leaves.
 * @param ray in the box's frame: origin, direction of pixel (0, 0), and what a pixel to the right and one down add to it (to the origin, where rays
 * are parallel).
 */
function castBox(
  ray: readonly number[],
  isParallel: boolean,
  [a, b, c]: Vector3,
  [u0, u1, v0, v1]: readonly [number, number, number, number],
  width: number,
  distance: Float32Array,
  ids: Int16Array,
  id: number,
): void {
  const [ox, oy, oz, bx, by, bz, rx, ry, rz, dx, dy, dz] = ray as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let v = v0; v <= v1; v++) {
    let at = v * width + u0;
    for (let u = u0; u <= u1; u++, at++) {
      const sx = u * rx + v * dx;
      const sy = u * ry + v * dy;
      const sz = u * rz + v * dz;
      // A ray along a slab gives infinities of the right signs, or NaN on its very face, which the comparisons leave out.
      const ix = 1 / (isParallel ? bx : bx + sx);
      const iy = 1 / (isParallel ? by : by + sy);
      const iz = 1 / (isParallel ? bz : bz + sz);
      const px = isParallel ? ox + sx : ox;
      const py = isParallel ? oy + sy : oy;
      const pz = isParallel ? oz + sz : oz;
      // The middle of each slab, and half of its way.
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

/**
 * Smallest positive t at which o + t d meets the shape, in its own frame; Infinity where it does not.
 * @param r radius. @param half half of the length along z.
 */
type Intersect = (
  ox: number,
  oy: number,
  oz: number,
  dx: number,
  dy: number,
  dz: number,
  r: number,
  half: number,
) => number;

const sphere = (ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, r: number): number => {
  const A = dx * dx + dy * dy + dz * dz;
  const B = ox * dx + oy * dy + oz * dz;
  const C = ox * ox + oy * oy + oz * oz - r * r;
  const D = B * B - A * C;
  if (D < 0) return Infinity;
  const root = Math.sqrt(D);
  const near = (-B - root) / A;
  return near > 0 ? near : (-B + root) / A > 0 ? (-B + root) / A : Infinity;
};

/** The mantle of a cylinder about z, without its ends. */
const mantle: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  const C = ox * ox + oy * oy - r * r;
  const D = B * B - A * C;
  if (D < 0 || A === 0) return Infinity;
  const root = Math.sqrt(D);
  const near = (-B - root) / A;
  if (near > 0 && Math.abs(oz + near * dz) <= half) return near;
  const far = (-B + root) / A;
  return far > 0 && Math.abs(oz + far * dz) <= half ? far : Infinity;
};

const cylinder: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  // Most rays pass by: what misses the endless cylinder misses the ends too.
  if (A > 0 && B * B < A * (ox * ox + oy * oy - r * r)) return Infinity;
  let t = mantle(ox, oy, oz, dx, dy, dz, r, half);
  if (dz === 0) return t;
  for (const end of [-half, half]) {
    const s = (end - oz) / dz;
    if (s > 0 && s < t && (ox + s * dx) ** 2 + (oy + s * dy) ** 2 <= r * r) t = s;
  }
  return t;
};

const capsule: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  const C = ox * ox + oy * oy - r * r;
  const D = B * B - A * C;
  if (A > 0 && D < 0) return Infinity;
  if (A > 0 && C > 0) {
    // From outside the endless cylinder: the ray enters it on the mantle, or beyond one end, and then only that end's sphere can be met.
    const near = (-B - Math.sqrt(D)) / A;
    if (near <= 0) return Infinity;
    const z = oz + near * dz;
    if (Math.abs(z) <= half) return near;
    return sphere(ox, oy, oz - (z > 0 ? half : -half), dx, dy, dz, r);
  }
  return Math.min(
    mantle(ox, oy, oz, dx, dy, dz, r, half),
    sphere(ox, oy, oz - half, dx, dy, dz, r),
    sphere(ox, oy, oz + half, dx, dy, dz, r),
  );
};
