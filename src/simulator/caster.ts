import { vec3 } from 'gl-matrix';
import { castGeom } from './cast-geom.js';
import type { Hits, Rays } from './rays.js';
import type { Bounds } from './screen-bounds.js';
import type { KnownColors } from './shading.js';
import type { VisibleGeom } from './visible-geom.js';

type BoundsOf = (geom: VisibleGeom) => Bounds | null;

/** Casts the rays of one camera again and again. While the camera stands still, what its rays hit of the fixed geoms is kept. */
export class Caster {
  #rays: Rays | null = null;
  /** Hits among the fixed geoms; null until the same rays have come twice. */
  #fixed: Hits | null = null;
  #colors: KnownColors | null = null;
  #distance = new Float32Array(0);

  get fixed(): Hits | null {
    return this.#fixed;
  }

  /** Colours of the fixed geoms, made once for as long as the rays stay the same; null while they change. */
  colors(make: (fixed: Hits) => KnownColors): KnownColors | null {
    return this.#fixed && (this.#colors ??= make(this.#fixed));
  }

  /** @returns hits whose distances the next call overwrites. */
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

/** Casts rays at some of the geoms. Of two geoms at the same distance the one that was hit first stays. */
function castInto(
  hits: Hits,
  geoms: readonly VisibleGeom[],
  rays: Rays,
  boundsOf: BoundsOf,
  isWanted: (geom: VisibleGeom) => boolean,
): void {
  geoms.forEach((geom, id) => {
    const bounds = isWanted(geom) ? boundsOf(geom) : null;
    if (bounds) castGeom(geom, id, rays, bounds, hits);
  });
}
