import type { RgbImage } from '../core/images.js';
import type { Pixel } from '../core/vector.js';

interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

const LEVELS = 3;
const RADIUS = 7;
const MOST_ITERATIONS = 20;
/** A track that does not come back to where it started, within this many pixels, has slipped. */
const ROUND_TRIP_PX = 1;
/** Smallest eigenvalue of the gradient matrix per pixel (grey levels squared): below it the patch has no texture to hold on to. */
const MIN_TEXTURE = 2;

/** Image pyramid for tracking; built once per picture. */
export class TrackingImage {
  readonly levels: readonly Grey[];

  constructor(image: RgbImage) {
    const levels = [luma(image)];
    while (levels.length < LEVELS) levels.push(halve(levels.at(-1)!));
    this.levels = levels;
  }
}

/**
 * Where a pixel of one picture is in another: pyramidal Lucas-Kanade (Bouguet 2001) over 15x15 patches, checked by tracking back. Null where
 * the patch has no texture, leaves the picture, or slips.
 */
export function trackPixel(from: TrackingImage, to: TrackingImage, pixel: Pixel): Pixel | null {
  const there = follow(from, to, pixel);
  const back = there && follow(to, from, there);
  if (!back || Math.hypot(back[0] - pixel[0], back[1] - pixel[1]) > ROUND_TRIP_PX) return null;
  return there;
}

function follow(from: TrackingImage, to: TrackingImage, [px, py]: Pixel): Pixel | null {
  let dx = 0;
  let dy = 0;
  for (let level = LEVELS - 1; level >= 0; level--) {
    const scale = 2 ** level;
    const moved = align(from.levels[level]!, to.levels[level]!, px / scale, py / scale, dx, dy);
    if (!moved) return null;
    [dx, dy] = moved;
    if (level > 0) {
      dx *= 2;
      dy *= 2;
    }
  }
  const { width, height } = to.levels[0]!;
  const [x, y] = [px + dx, py + dy];
  return x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1 ? [x, y] : null;
}

function align(a: Grey, b: Grey, x: number, y: number, dx: number, dy: number): readonly [number, number] | null {
  const size = (2 * RADIUS + 1) ** 2;
  const patch = new Float32Array(size);
  const gx = new Float32Array(size);
  const gy = new Float32Array(size);
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (let v = -RADIUS, i = 0; v <= RADIUS; v++) {
    for (let u = -RADIUS; u <= RADIUS; u++, i++) {
      patch[i] = sample(a, x + u, y + v);
      gx[i] = (sample(a, x + u + 1, y + v) - sample(a, x + u - 1, y + v)) / 2;
      gy[i] = (sample(a, x + u, y + v + 1) - sample(a, x + u, y + v - 1)) / 2;
      xx += gx[i]! * gx[i]!;
      xy += gx[i]! * gy[i]!;
      yy += gy[i]! * gy[i]!;
    }
  }
  const determinant = xx * yy - xy * xy;
  const smallest = (xx + yy - Math.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2;
  if (smallest < MIN_TEXTURE * size || determinant <= 0) return null;
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    let ex = 0;
    let ey = 0;
    for (let v = -RADIUS, i = 0; v <= RADIUS; v++) {
      for (let u = -RADIUS; u <= RADIUS; u++, i++) {
        const difference = patch[i]! - sample(b, x + dx + u, y + dy + v);
        ex += difference * gx[i]!;
        ey += difference * gy[i]!;
      }
    }
    const sx = (yy * ex - xy * ey) / determinant;
    const sy = (xx * ey - xy * ex) / determinant;
    dx += sx;
    dy += sy;
    if (Math.hypot(sx, sy) < 0.01) break;
  }
  return Number.isFinite(dx) && Number.isFinite(dy) ? [dx, dy] : null;
}

/** Bilinear, edges repeated. */
function sample({ width, height, data }: Grey, x: number, y: number): number {
  const cx = Math.min(width - 1, Math.max(0, x));
  const cy = Math.min(height - 1, Math.max(0, y));
  const x0 = Math.floor(cx);
  const y0 = Math.floor(cy);
  const x1 = Math.min(width - 1, x0 + 1);
  const y1 = Math.min(height - 1, y0 + 1);
  const fx = cx - x0;
  const fy = cy - y0;
  const top = data[y0 * width + x0]! * (1 - fx) + data[y0 * width + x1]! * fx;
  const bottom = data[y1 * width + x0]! * (1 - fx) + data[y1 * width + x1]! * fx;
  return top * (1 - fy) + bottom * fy;
}

function luma({ width, height, data }: RgbImage): Grey {
  const out = new Float32Array(width * height);
  for (let i = 0; i < out.length; i++)
    out[i] = 0.299 * data[i * 3]! + 0.587 * data[i * 3 + 1]! + 0.114 * data[i * 3 + 2]!;
  return { width, height, data: out };
}

function halve(image: Grey): Grey {
  const width = Math.max(1, image.width >> 1);
  const height = Math.max(1, image.height >> 1);
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [u, v] of [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ] as const) {
        sum += image.data[Math.min(image.height - 1, 2 * y + v) * image.width + Math.min(image.width - 1, 2 * x + u)]!;
      }
      out[y * width + x] = sum / 4;
    }
  }
  return { width, height, data: out };
}
