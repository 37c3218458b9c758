import { vec3 } from 'gl-matrix';
import type { DepthImage, RgbImage } from '../core/images.js';
import type { Vector3 } from '../core/vector.js';
import { Caster } from './caster.js';
import type { Hits, Rays } from './rays.js';
import { parallelBounds, perspectiveBounds, type Axes } from './screen-bounds.js';
import { knownColors, movingShadows, shade, type Light, type Shadows } from './shading.js';
import type { View } from './view.js';
import type { VisibleGeom } from './visible-geom.js';

export interface Rendered {
  readonly color: RgbImage;
  readonly depth: DepthImage;
  /** Index of the geom that each pixel shows; -1 for nothing. */
  readonly segmentation: Int16Array;
}

/** Rays from the light along each side of the square below. */
const SHADOW_SIZE = 224;
/** The part of the world that throws shadows: a square around the middle of the table. */
const SHADOW_CENTER: Vector3 = [0.42, 0, 0.1];
const SHADOW_HALF_M = 0.75;

/**
 * Takes pictures of one scene under one light. Each pixel's ray is intersected exactly, but only with shapes whose bounding box covers the pixel: that
 * is several times as fast as casting all rays through MuJoCo, and a test compares its distances with MuJoCo's. Whatever a camera sees of fixed geoms is
 * kept for as long as the camera stands still.
 */
export class Renderer {
  readonly #shadows = new Caster();
  readonly #casters: Caster[] = [];

  /** Pictures of one moment, one for each view. Views must come in the same order every time. */
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
    // Parallel rays in a square, starting 2 m from its middle towards the light.
    const notAlongD: Vector3 = Math.abs(d[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
    const x = vec3.cross([0, 0, 0], notAlongD, d);
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
    const hits = this.#shadows.cast(geoms, rays, (geom) => parallelBounds(geom, rays, x, y, step));
    return { hits, size: SHADOW_SIZE, corner, x, y, step, direction: d };
  }
}

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

/** Metres; NaN where nothing is hit. */
function depthOf({ distance }: Hits): Float32Array {
  const depth = new Float32Array(distance.length);
  for (let i = 0; i < depth.length; i++) depth[i] = distance[i] === Infinity ? Number.NaN : distance[i]!;
  return depth;
}
