import { InputError } from '../core/errors.js';
import type { Camera } from '../core/camera.js';
import type { DepthImage, MaskImage, RgbImage } from '../core/images.js';
import type { Pixel } from '../core/vector.js';
import { supportPixels } from './support-planes.js';

export interface RegionOptions {
  /** Step between neighbours on one surface, as a share of the depth, that costs as much as `depthStepColor`. 1.5 % is two codes of a Kinect at 2 m. */
  readonly depthStep: number;
  /** CIELAB units that a step of `depthStep` counts as. */
  readonly depthStepColor: number;
  /** A region smaller than this is a detail (a dot on a die); it is grown again from what surrounds it. */
  readonly detailPx: number;
  /** A region larger than this share of the image is background. */
  readonly maxShare: number;
}

export const DEFAULT_REGION: RegionOptions = { depthStep: 0.015, depthStepColor: 15, detailPx: 80, maxShare: 0.3 };

/**
 * The object under a clicked pixel: its neighbours of the same surface and colour, with enclosed details filled. Every pixel gets the height
 * of the lowest pass between it and the click (colour difference to the click, and steps in depth, as height); the region is cut at the height
 * where its area changes least, which is the criterion of maximally stable regions (Matas et al., BMVC 2002). Sizes of colour and depth must be equal.
 * @throws InputError `click.outside` or `click.hole`.
 */
export function growRegion(
  color: RgbImage,
  depth: DepthImage,
  camera: Camera,
  click: Pixel,
  options: RegionOptions = DEFAULT_REGION,
): MaskImage {
  const { width, height } = depth;
  const x = Math.round(click[0]);
  const y = Math.round(click[1]);
  if (!(x >= 0 && y >= 0 && x < width && y < height)) {
    throw new InputError({
      code: 'click.outside',
      message: `the click (${click[0]}, ${click[1]}) is outside the ${width}x${height} image`,
      remedy: 'click inside the image',
    });
  }
  const seed = y * width + x;
  if (Number.isNaN(depth.data[seed])) {
    throw new InputError({
      code: 'click.hole',
      message: `the click (${click[0]}, ${click[1]}) has no depth measurement (a hole)`,
      remedy: 'click another pixel of the object',
    });
  }
  const lab = new LabImage(color);
  const surfaces: Surfaces = { depth, barred: supportPixels(depth, camera, [x, y]) };
  let region = stableRegion(lab, surfaces, [seed], around(seed, depth), options);
  if (count(region) < options.detailPx) {
    // A detail: start again from the surface around it, if that is at the same depth.
    const rim = rimOf(region, depth, options);
    if (rim.length > 0) {
      const wider = stableRegion(lab, surfaces, rim, rim, options);
      if (count(wider) > count(region)) region = wider.map((value, at) => value | region[at]!);
    }
  }
  return { width, height, data: fillHoles(region, width, height) };
}

/** Removes the outermost pixels: at the border of an object colour and depth are mixed with what lies behind. */
export function erode(mask: MaskImage, radiusPx: number): MaskImage {
  const { width, height } = mask;
  const data = new Uint8Array(mask.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let inside = mask.data[y * width + x] !== 0;
      for (let dy = -radiusPx; inside && dy <= radiusPx; dy++) {
        for (let dx = -radiusPx; inside && dx <= radiusPx; dx++) {
          const nx = x + dx;
          const ny = y + dy;
          inside = nx >= 0 && ny >= 0 && nx < width && ny < height && mask.data[ny * width + nx] !== 0;
        }
      }
      data[y * width + x] = inside ? 1 : 0;
    }
  }
  return { width, height, data };
}

interface Surfaces {
  readonly depth: DepthImage;
  /** Pixels that belong to what the object stands on. */
  readonly barred: Uint8Array;
}

/** Heights are kept in steps of a quarter CIELAB unit. */
const LEVELS_PER_UNIT = 4;
const HIGHEST_LEVEL = 60 * LEVELS_PER_UNIT;
/** Half the width over which stability is judged, and the lowest height worth cutting at (sensor noise). */
const STABILITY_LEVELS = 4 * LEVELS_PER_UNIT;
const LOWEST_LEVEL = 8 * LEVELS_PER_UNIT;
const BREAKOUT = 8;
const LIGHTNESS_WEIGHT = 0.3;

/** @param samples pixels whose median colour is the colour of the region. */
function stableRegion(
  lab: LabImage,
  { depth, barred }: Surfaces,
  seeds: readonly number[],
  samples: readonly number[],
  options: RegionOptions,
): Uint8Array {
  const { width } = depth;
  const model = lab.median(samples);
  const most = options.maxShare * depth.data.length;
  const levelOf = new Uint16Array(depth.data.length).fill(0xffff);
  const done = new Uint8Array(depth.data.length);
  const buckets: number[][] = Array.from({ length: HIGHEST_LEVEL + 1 }, () => []);
  const areas: number[] = [];
  const offer = (at: number, level: number): void => {
    if (level > HIGHEST_LEVEL || level >= levelOf[at]!) return;
    levelOf[at] = level;
    buckets[level]!.push(at);
  };
  for (const seed of seeds) offer(seed, 0);
  let area = 0;
  for (let level = 0; level <= HIGHEST_LEVEL && area <= most; level++) {
    const bucket = buckets[level]!;
    // The bucket grows while it is walked: a neighbour may lie no higher than the pass.
    for (let i = 0; i < bucket.length; i++) {
      const at = bucket[i]!;
      if (done[at] !== 0) continue;
      done[at] = 1;
      area++;
      const x = at % width;
      const z = depth.data[at]!;
      for (let side = 0; side < 4; side++) {
        const next =
          side === 0
            ? x > 0
              ? at - 1
              : -1
            : side === 1
              ? x < width - 1
                ? at + 1
                : -1
              : side === 2
                ? at - width
                : at + width;
        if (next < 0 || next >= done.length || done[next] !== 0 || barred[next] !== 0) continue;
        const step = Math.abs(depth.data[next]! - z) / (options.depthStep * z);
        // Holes end the region.
        if (Number.isNaN(step)) continue;
        const colorCost = lab.distance(next, model);
        const depthCost = step <= 1 ? 0 : step * options.depthStepColor;
        const cost = Math.sqrt(colorCost * colorCost + depthCost * depthCost);
        offer(next, Math.max(level, Math.ceil(cost * LEVELS_PER_UNIT)));
      }
    }
    areas.push(area);
  }
  const cut = mostStableLevel(areas, most, options.detailPx);
  return Uint8Array.from(levelOf, (level) => (level <= cut ? 1 : 0));
}

function mostStableLevel(areas: readonly number[], most: number, detailPx: number): number {
  let best = LOWEST_LEVEL;
  let bestChange = Infinity;
  for (let level = LOWEST_LEVEL; level < areas.length && areas[level]! <= most; level++) {
    const above = areas[Math.min(level + STABILITY_LEVELS, areas.length - 1)]!;
    // An area that grows this much has broken out of the object; what is stable beyond is background.
    if (areas[level]! >= detailPx && above > BREAKOUT * areas[level]!) break;
    const change = (above - areas[level - STABILITY_LEVELS]!) / areas[level]!;
    // Of equally stable heights the higher one: it takes in more of the same object.
    if (change <= bestChange) {
      bestChange = change;
      best = level;
    }
  }
  return best;
}

/** The click and its neighbours at the same depth: one pixel alone is noisy. */
function around(seed: number, { width, data }: DepthImage): number[] {
  const pixels: number[] = [];
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      const at = seed + dy * width + dx;
      if (Math.abs((data[at] ?? Number.NaN) - data[seed]!) < 0.02 * data[seed]!) pixels.push(at);
    }
  }
  return pixels;
}

/** Pixels next to a region, on the same surface. */
function rimOf(region: Uint8Array, depth: DepthImage, options: RegionOptions): number[] {
  const { width } = depth;
  const rim = new Set<number>();
  region.forEach((inside, at) => {
    if (inside === 0) return;
    // Three pixels out: the first ones around a detail are a blend of both colours.
    for (const next of [at - 3, at + 3, at - 3 * width, at + 3 * width]) {
      const step = Math.abs((depth.data[next] ?? Number.NaN) - depth.data[at]!);
      if (region[next] === 0 && step <= 2 * options.depthStep * depth.data[at]!) rim.add(next);
    }
  });
  return [...rim].sort((a, b) => a - b);
}

function count(region: Uint8Array): number {
  return region.reduce((sum, value) => sum + value, 0);
}

/** Whatever is enclosed by the region belongs to it: printed details, and holes of the depth. */
function fillHoles(region: Uint8Array, width: number, height: number): Uint8Array {
  const outside = new Uint8Array(region.length);
  const queue: number[] = [];
  const visit = (at: number): void => {
    if (region[at] !== 0 || outside[at] !== 0) return;
    outside[at] = 1;
    queue.push(at);
  };
  for (let x = 0; x < width; x++) {
    visit(x);
    visit((height - 1) * width + x);
  }
  for (let y = 0; y < height; y++) {
    visit(y * width);
    visit(y * width + width - 1);
  }
  for (let head = 0; head < queue.length; head++) {
    const at = queue[head]!;
    const x = at % width;
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (at >= width) visit(at - width);
    if (at < region.length - width) visit(at + width);
  }
  return outside.map((value) => (value === 0 ? 1 : 0));
}

/** CIELAB (D65) of the pixels that are asked for; a click touches few of them. */
class LabImage {
  readonly #image: RgbImage;
  readonly #lab: Float32Array;
  readonly #known: Uint8Array;

  constructor(image: RgbImage) {
    this.#image = image;
    this.#lab = new Float32Array(image.data.length);
    this.#known = new Uint8Array(image.data.length / 3);
  }

  median(pixels: readonly number[]): readonly [number, number, number] {
    for (const at of pixels) this.#compute(at);
    const channel = (c: number): number => {
      const values = pixels.map((at) => this.#lab[at * 3 + c]!).sort((a, b) => a - b);
      return values[values.length >> 1]!;
    };
    return [channel(0), channel(1), channel(2)];
  }

  /** Distance of colours with lightness counted less: shading changes it, and colour hardly. */
  distance(at: number, color: readonly [number, number, number]): number {
    this.#compute(at);
    const l = LIGHTNESS_WEIGHT * (this.#lab[at * 3]! - color[0]);
    const a = this.#lab[at * 3 + 1]! - color[1];
    const b = this.#lab[at * 3 + 2]! - color[2];
    return Math.sqrt(l * l + a * a + b * b);
  }

  #compute(at: number): void {
    if (this.#known[at] !== 0) return;
    this.#known[at] = 1;
    const { data } = this.#image;
    const r = LINEAR[data[at * 3]!]!;
    const g = LINEAR[data[at * 3 + 1]!]!;
    const b = LINEAR[data[at * 3 + 2]!]!;
    const x = labCurve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    const y = labCurve(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
    const z = labCurve((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
    this.#lab[at * 3] = 116 * y - 16;
    this.#lab[at * 3 + 1] = 500 * (x - y);
    this.#lab[at * 3 + 2] = 200 * (y - z);
  }
}

const LINEAR = Float64Array.from({ length: 256 }, (_, i) =>
  i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4,
);

function labCurve(t: number): number {
  return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
}
