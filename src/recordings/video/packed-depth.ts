import type { DepthImage, RgbImage } from '../../core/images.js';

/** MolmoSpaces' depth videos: 16 bits over 0.05 to 0.55 m, high byte in red, low byte in green; 0 is no measurement. */
const NEAREST_M = 0.05;
const RANGE_M = 0.5;
const HIGHEST = 65_534;

/**
 * Compression turns about 2 % of the pixels out of range into small codes. Two thirds of them read less than this; no true depth of the
 * camera does, or nearly none, so they are no measurement.
 */
const LEAST_TRUSTED_M = 0.052;

/** Metres of a pixel of the video; 0 for no measurement. */
export function unpackDepth(red: number, green: number): number {
  const code = red * 256 + green;
  return code === 0 ? 0 : ((code - 1) / HIGHEST) * RANGE_M + NEAREST_M;
}

/** The 16 bits for a depth in metres, red the high byte and green the low one; 0 for what lies outside the range. */
export function packDepth(metres: number): number {
  if (!(metres >= NEAREST_M && metres <= NEAREST_M + RANGE_M)) return 0;
  return Math.trunc(((metres - NEAREST_M) / RANGE_M) * HIGHEST + 1);
}

export function depthOfVideoFrame({ width, height, data }: RgbImage): DepthImage {
  const out = new Float32Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const metres = unpackDepth(data[i * 3]!, data[i * 3 + 1]!);
    out[i] = metres < LEAST_TRUSTED_M ? Number.NaN : metres;
  }
  return { width, height, data: out };
}
