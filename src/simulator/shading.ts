import { vec3 } from 'gl-matrix';
import type { Vector3 } from '../core/vector.js';
import type { Hits, Rays } from './rays.js';
import type { VisibleGeom } from './visible-geom.js';

/** A light at infinity, and light from everywhere. */
export interface Light {
  /** Unit vector towards the light. */
  readonly direction: Vector3;
  /** Share of the light that comes from everywhere, 0 to 1. */
  readonly ambient: number;
}

/** The geoms that the light reaches, as hits of size x size parallel rays from it. */
export interface Shadows {
  readonly hits: Hits;
  readonly size: number;
  /** Where the first ray starts, in the world. */
  readonly corner: Vector3;
  /** Unit vectors along the rows and columns of rays, and the distance between two rays, metres. */
  readonly x: Vector3;
  readonly y: Vector3;
  readonly step: number;
  /** Unit vector towards the light. */
  readonly direction: Vector3;
}

const BACKGROUND: Vector3 = [0.55, 0.6, 0.66];
/** A point is in the shadow only of what is at least this much nearer to the light: surfaces must not shade themselves. */
const SHADOW_BIAS_M = 0.012;
const GAMMA_STEPS = 1024;
/** Linear light to sRGB-like bytes; light that is brighter than white becomes white. */
const TO_BYTE = Uint8Array.from({ length: 2 * GAMMA_STEPS }, (_, i) =>
  Math.min(255, Math.round(255 * (i / GAMMA_STEPS) ** (1 / 2.2))),
);

/** A picture of the fixed geoms alone, in the shadows of fixed geoms alone. */
export interface KnownColors {
  readonly ids: Int16Array;
  readonly color: Uint8Array;
  /**
   * The first of the four neighbouring rays from the light that decide how bright each pixel is; size * size (one past the last ray) where no ray
   * decides.
   */
  readonly cells: Int32Array;
}

/** Makes the picture of the fixed geoms. A pixel of it can be reused wherever no moving geom is in front of it or between it and the light. */
export function knownColors(
  geoms: readonly VisibleGeom[],
  rays: Rays,
  fixed: Hits,
  light: Light,
  shadows: Shadows,
): KnownColors {
  const { size, corner, x: ex, y: ey, step } = shadows;
  const cells = new Int32Array(rays.width * rays.height).fill(size * size);
  const origin = vec3.subtract([0, 0, 0], rays.origin, corner);
  const ray: [number, number, number] = [0, 0, 0];
  for (let v = 0, at = 0; v < rays.height; v++) {
    for (let u = 0; u < rays.width; u++, at++) {
      const t = fixed.distance[at]!;
      if (t === Infinity) continue;
      vec3.scaleAndAdd(ray, rays.base, rays.right, u);
      vec3.scaleAndAdd(ray, ray, rays.down, v);
      vec3.scaleAndAdd(ray, origin, ray, t);
      const shadowU = vec3.dot(ray, ex) / step;
      const shadowV = vec3.dot(ray, ey) / step;
      if (shadowU >= 0 && shadowV >= 0 && shadowU < size - 1 && shadowV < size - 1)
        cells[at] = Math.floor(shadowV) * size + Math.floor(shadowU);
    }
  }
  return { ids: fixed.geom, color: shade(geoms, rays, fixed, light, shadows, null, null), cells };
}

/**
 * For each cell (four neighbouring rays from the light) 1 where one of its rays hits a moving geom. A last entry, always 0, stands for pixels that no ray
 * decides on.
 */
export function movingShadows(geoms: readonly VisibleGeom[], { hits: { geom: ids }, size }: Shadows): Uint8Array {
  const touched = new Uint8Array(size * size + 1);
  for (let cell = 0; cell < size * size; cell++) {
    const id = ids[cell]!;
    if (id < 0 || geoms[id]!.isFixed) continue;
    touched[cell] = 1;
    if (cell >= 1) touched[cell - 1] = 1;
    if (cell >= size) touched[cell - size] = 1;
    if (cell > size) touched[cell - size - 1] = 1;
  }
  return touched;
}

/**
 * Red, green and blue of every pixel, one byte each: diffuse light, and shadows. Neighbouring pixels of one row that show the same geom are shaded
 * together, because every coordinate of a point on a ray is the ray's distance times a function that is linear in the pixel's column.
 * @param known colours that may be reused; null for none. @param touched what movingShadows returned for this moment; null when known is.
 */
export function shade(
  geoms: readonly VisibleGeom[],
  rays: Rays,
  { distance, geom: ids }: Hits,
  { direction: L, ambient }: Light,
  shadows: Shadows,
  known: KnownColors | null,
  touched: Uint8Array | null,
): Uint8Array {
  const { width, height } = rays;
  const data = new Uint8Array(width * height * 3);
  const background = BACKGROUND.map((c) => Math.round(255 * c));
  const direct = 1 - ambient;
  const normal = new Float64Array(3);
  const faces = geoms.map((geom) => (geom.shape === 'box' ? boxFaces(geom, L) : null));
  // Colours in linear light, made a little brighter so that a lit surface has about the colour that its geom names.
  const toLinear = (c: number): number => c ** 2.2 * 1.15 * GAMMA_STEPS;
  const linear = geoms.map(({ color: [r, g, b] }): Vector3 => [toLinear(r), toLinear(g), toLinear(b)]);
  const { size, step, x: ex, y: ey, direction: d, corner } = shadows;
  const lit = shadows.hits.distance;
  // Coordinates along an axis: of the rays' origin, of the direction of pixel (0, 0), and what one pixel to the right and one down add to that direction.
  const along = (axis: Vector3, from: Vector3 | Float64Array, scale: number): Four => [
    vec3.dot(axis, vec3.subtract([0, 0, 0], rays.origin, from)) * scale,
    vec3.dot(axis, rays.base) * scale,
    vec3.dot(axis, rays.right) * scale,
    vec3.dot(axis, rays.down) * scale,
  ];
  const [su, suBase, suRight, suDown] = along(ex, corner, 1 / step);
  const [sv, svBase, svRight, svDown] = along(ey, corner, 1 / step);
  const [sd, sdBase, sdRight, sdDown] = along(d, corner, -1);
  const boxes = geoms.map(({ shape, size: half, rotation: m, position }) =>
    shape === 'box'
      ? [0, 1, 2].map((axis) => along([m[axis]!, m[3 + axis]!, m[6 + axis]!], position, 1 / half[axis]!))
      : null,
  );
  const [originX, originY, originZ] = rays.origin;
  const [baseX, baseY, baseZ] = rays.base;
  const [rightX, rightY, rightZ] = rays.right;
  const [downX, downY, downZ] = rays.down;
  for (let v = 0, at = 0; v < height; v++) {
    const rowU = suBase + v * suDown;
    const rowV = svBase + v * svDown;
    const rowD = sdBase + v * sdDown;
    for (let u = 0; u < width;) {
      const id = ids[at]!;
      let end = u + 1;
      for (let next = at + 1; end < width && ids[next] === id; next++) end++;
      if (id < 0) {
        for (; u < end; u++, at++) for (let c = 0; c < 3; c++) data[3 * at + c] = background[c]!;
        continue;
      }
      const geom = geoms[id]!;
      const old = geom.isFixed ? known : null;
      const [red, green, blue] = linear[id]!;
      const face = faces[id];
      const box = boxes[id];
      const [a, aBase, aRight, aDown] = box?.[0] ?? NO_AXIS;
      const [b, bBase, bRight, bDown] = box?.[1] ?? NO_AXIS;
      const [c, cBase, cRight, cDown] = box?.[2] ?? NO_AXIS;
      const rowA = aBase + v * aDown;
      const rowB = bBase + v * bDown;
      const rowC = cBase + v * cDown;
      for (; u < end; u++, at++) {
        if (old?.ids[at] === id && touched![old.cells[at]!] === 0) {
          data[3 * at] = old.color[3 * at]!;
          data[3 * at + 1] = old.color[3 * at + 1]!;
          data[3 * at + 2] = old.color[3 * at + 2]!;
          continue;
        }
        const t = distance[at]!;
        let toLight: number;
        let up: number;
        if (face) {
          // Divided by the half sizes, the largest coordinate of a point on the box tells which face it is on.
          const pa = a + t * (rowA + u * aRight);
          const pb = b + t * (rowB + u * bRight);
          const pc = c + t * (rowC + u * cRight);
          const fa = Math.abs(pa);
          const fb = Math.abs(pb);
          const fc = Math.abs(pc);
          const side = fa >= fb && fa >= fc ? (pa > 0 ? 2 : 0) : fb >= fc ? (pb > 0 ? 6 : 4) : pc > 0 ? 10 : 8;
          toLight = face[side]!;
          up = face[side + 1]!;
        } else {
          const x = originX + t * (baseX + u * rightX + v * downX);
          const y = originY + t * (baseY + u * rightY + v * downY);
          const z = originZ + t * (baseZ + u * rightZ + v * downZ);
          normalAt(geom, x, y, z, normal);
          toLight = normal[0]! * L[0] + normal[1]! * L[1] + normal[2]! * L[2];
          up = normal[2]!;
        }
        // The sky is brighter than the ground.
        let strength = ambient * (0.75 + 0.25 * up);
        if (toLight > 0) {
          // 1 in the light and 0 in the shadow. At the edge of a shadow it is between them: the four nearest rays from the light are weighted.
          const shadowU = su + t * (rowU + u * suRight);
          const shadowV = sv + t * (rowV + u * svRight);
          let light = 1;
          if (shadowU >= 0 && shadowV >= 0 && shadowU < size - 1 && shadowV < size - 1) {
            const away = sd + t * (rowD + u * sdRight) - SHADOW_BIAS_M;
            const iu = shadowU | 0;
            const iv = shadowV | 0;
            const fu = shadowU - iu;
            const fv = shadowV - iv;
            const cell = iv * size + iu;
            light =
              (lit[cell]! >= away ? (1 - fu) * (1 - fv) : 0) +
              (lit[cell + 1]! >= away ? fu * (1 - fv) : 0) +
              (lit[cell + size]! >= away ? (1 - fu) * fv : 0) +
              (lit[cell + size + 1]! >= away ? fu * fv : 0);
          }
          strength += direct * toLight * light;
        }
        data[3 * at] = TO_BYTE[(red * strength) | 0]!;
        data[3 * at + 1] = TO_BYTE[(green * strength) | 0]!;
        data[3 * at + 2] = TO_BYTE[(blue * strength) | 0]!;
      }
    }
  }
  return data;
}

type Four = readonly [number, number, number, number];
const NO_AXIS: Four = [0, 0, 0, 0];

/** For each face of a box (-x, +x, -y, +y, -z, +z) two numbers: the cosine of its normal to the light, and that to the vertical. */
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
    // The point is on an end when it is nearer to that end than to the side.
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
