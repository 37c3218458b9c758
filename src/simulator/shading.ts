import type { Vector3 } from '../core/vector.js';
import type { VisibleGeom } from './simulation.js';

/** Colours of what rays have met: diffuse light, and shadows. */

export interface Light {
  /** Towards it, a unit vector. */
  readonly direction: Vector3;
  /** Share of light that comes from everywhere. */
  readonly ambient: number;
}

/** How a picture is taken: perspective rays from a point, or parallel ones. */
export interface Rays {
  readonly width: number;
  readonly height: number;
  /** Row-major [3][3]: ray direction of pixel (u, v) is base + u * right + v * down; its origin is origin + u * shiftRight + v * shiftDown. */
  readonly origin: readonly number[];
  readonly base: readonly number[];
  readonly right: readonly number[];
  readonly down: readonly number[];
  readonly isParallel: boolean;
}

/** Nearest hits: distance along the ray in its own length (depth, where the ray has depth 1), and the geom. */
export interface Hits {
  readonly distance: Float32Array;
  readonly geom: Int16Array;
}

/** What parallel rays from the light meet, [size][size]. */
export interface Shadows {
  readonly hits: Hits;
  readonly size: number;
  readonly corner: readonly number[];
  readonly x: Vector3;
  readonly y: Vector3;
  readonly step: number;
  readonly direction: Vector3;
}

const BACKGROUND: Vector3 = [0.55, 0.6, 0.66];
/** A surface does not shade itself. */
const SHADOW_BIAS_M = 0.012;
const GAMMA_STEPS = 1024;
/** Linear light to bytes. */
const TO_BYTE = Uint8Array.from({ length: GAMMA_STEPS + 1 }, (_, i) =>
  Math.round(255 * (i / GAMMA_STEPS) ** (1 / 2.2)),
);
/** Bytes of red, green and blue of every pixel. */
export function shade(
  geoms: readonly VisibleGeom[],
  rays: Rays,
  { distance, geom: ids }: Hits,
  light: Light,
  shadows: Shadows,
): Uint8Array {
  const { width, height } = rays;
  const [originX, originY, originZ] = rays.origin as Vector3;
  const [baseX, baseY, baseZ] = rays.base as Vector3;
  const [rightX, rightY, rightZ] = rays.right as Vector3;
  const [downX, downY, downZ] = rays.down as Vector3;
  const data = new Uint8Array(width * height * 3);
  const background = BACKGROUND.map((c) => Math.round(255 * c));
  const L = light.direction;
  const { ambient } = light;
  const direct = 1 - ambient;
  const normal = new Float64Array(3);
  const faces = geoms.map((geom) => (geom.shape === 'box' ? boxFaces(geom, L) : null));
  // Linear, and a little brighter than what a surface of this colour sends back.
  const linear = geoms.map(({ color }) => Float64Array.from(color, (c) => c ** 2.2 * 1.15 * GAMMA_STEPS));
  for (let v = 0, at = 0; v < height; v++) {
    for (let u = 0; u < width; u++, at++) {
      const id = ids[at]!;
      if (id < 0) {
        for (let c = 0; c < 3; c++) data[3 * at + c] = background[c]!;
        continue;
      }
      const geom = geoms[id]!;
      const t = distance[at]!;
      const x = originX + t * (baseX + u * rightX + v * downX);
      const y = originY + t * (baseY + u * rightY + v * downY);
      const z = originZ + t * (baseZ + u * rightZ + v * downZ);
      const ofBox = faces[id];
      let toLight: number;
      let up: number;
      if (ofBox) {
        const face = 2 * faceAt(geom, x, y, z);
        toLight = ofBox[face]!;
        up = ofBox[face + 1]!;
      } else {
        normalAt(geom, x, y, z, normal);
        toLight = normal[0]! * L[0] + normal[1]! * L[1] + normal[2]! * L[2];
        up = normal[2]!;
      }
      const lit = toLight > 0 ? toLight * brightness(shadows, x, y, z) : 0;
      // The sky is brighter than the ground.
      const strength = ambient * (0.75 + 0.25 * up) + direct * lit;
      const rgb = linear[id]!;
      data[3 * at] = TO_BYTE[Math.min(GAMMA_STEPS, (rgb[0]! * strength) | 0)]!;
      data[3 * at + 1] = TO_BYTE[Math.min(GAMMA_STEPS, (rgb[1]! * strength) | 0)]!;
      data[3 * at + 2] = TO_BYTE[Math.min(GAMMA_STEPS, (rgb[2]! * strength) | 0)]!;
    }
  }
  return data;
}

/** Of each face of a box (-x, +x, -y, +y, -z, +z): how much it looks to the light, and up. */
function boxFaces({ rotation: m }: VisibleGeom, L: Vector3): Float64Array {
  return Float64Array.from(
    [0, 1, 2].flatMap((axis) =>
      [-1, 1].flatMap((sign) => [
        sign * (m[axis]! * L[0] + m[3 + axis]! * L[1] + m[6 + axis]! * L[2]),
        sign * m[6 + axis]!,
      ]),
    ),
  );
}

/** The face of a box that a point on it is on. */
function faceAt({ size, rotation: m, position: p }: VisibleGeom, x: number, y: number, z: number): number {
  const wx = x - p[0]!;
  const wy = y - p[1]!;
  const wz = z - p[2]!;
  const a = (m[0]! * wx + m[3]! * wy + m[6]! * wz) / size[0];
  const b = (m[1]! * wx + m[4]! * wy + m[7]! * wz) / size[1];
  const c = (m[2]! * wx + m[5]! * wy + m[8]! * wz) / size[2];
  const fa = Math.abs(a);
  const fb = Math.abs(b);
  const fc = Math.abs(c);
  if (fa >= fb && fa >= fc) return a > 0 ? 1 : 0;
  if (fb >= fc) return b > 0 ? 3 : 2;
  return c > 0 ? 5 : 4;
}

/** Outward normal of a round shape at a point on it. */
function normalAt(
  { shape, size, rotation: m, position: p }: VisibleGeom,
  x: number,
  y: number,
  z: number,
  out: Float64Array,
): void {
  const wx = x - p[0]!;
  const wy = y - p[1]!;
  const wz = z - p[2]!;
  const a = m[0]! * wx + m[3]! * wy + m[6]! * wz;
  const b = m[1]! * wx + m[4]! * wy + m[7]! * wz;
  const c = m[2]! * wx + m[5]! * wy + m[8]! * wz;
  let nx = 0;
  let ny = 0;
  let nz = 0;
  if (shape === 'sphere') {
    nx = a;
    ny = b;
    nz = c;
  } else if (shape === 'cylinder') {
    // An end, unless the point is nearer to the mantle.
    if (size[1] - Math.abs(c) < size[0] - Math.sqrt(a * a + b * b)) nz = Math.sign(c);
    else {
      nx = a;
      ny = b;
    }
  } else {
    nx = a;
    ny = b;
    nz = c - Math.min(size[1], Math.max(-size[1], c));
  }
  const length = Math.sqrt(nx * nx + ny * ny + nz * nz) || 1;
  for (let i = 0; i < 3; i++) out[i] = (m[3 * i]! * nx + m[3 * i + 1]! * ny + m[3 * i + 2]! * nz) / length;
}

/** 1 in the light, 0 in the shadow, between them at its edge: the four nearest rays from the light are asked. */
function brightness(
  { hits, size, corner, x: ex, y: ey, step, direction: d }: Shadows,
  x: number,
  y: number,
  z: number,
): number {
  const wx = x - corner[0]!;
  const wy = y - corner[1]!;
  const wz = z - corner[2]!;
  const u = (wx * ex[0] + wy * ex[1] + wz * ex[2]) / step;
  const v = (wx * ey[0] + wy * ey[1] + wz * ey[2]) / step;
  if (u < 0 || v < 0 || u >= size - 1 || v >= size - 1) return 1;
  const away = -(wx * d[0] + wy * d[1] + wz * d[2]) - SHADOW_BIAS_M;
  const iu = Math.floor(u);
  const iv = Math.floor(v);
  const fu = u - iu;
  const fv = v - iv;
  const at = iv * size + iu;
  const { distance } = hits;
  let light = 0;
  if (distance[at]! >= away) light += (1 - fu) * (1 - fv);
  if (distance[at + 1]! >= away) light += fu * (1 - fv);
  if (distance[at + size]! >= away) light += (1 - fu) * fv;
  if (distance[at + size + 1]! >= away) light += fu * fv;
  return light;
}
