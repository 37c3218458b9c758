import type { DepthImage } from '../core/images.js';
import { seededRandom } from '../core/random.js';

/** What a stereo or structured-light camera makes of true depth. */
export interface DepthNoise {
  /** Standard deviation at 1 m, metres; it grows with the square of the distance. */
  readonly sigmaAt1M: number;
  /** Steps that distances are told in, metres. */
  readonly stepM: number;
  /** Share of pixels at the edges of things that have no depth. */
  readonly edgeLoss: number;
  /** Share of all pixels that have none. */
  readonly loss: number;
  readonly nearestM: number;
  readonly furthestM: number;
}

/** Roughly a RealSense D435 or ZED Mini at the distance of a table. */
export const RGBD_NOISE: DepthNoise = {
  sigmaAt1M: 0.0025,
  stepM: 0.001,
  edgeLoss: 0.5,
  loss: 0.002,
  nearestM: 0.1,
  furthestM: 4,
};

/** Neighbouring depths that differ by more than this share of themselves are an edge. */
const EDGE = 0.03;

/** A draw has 32 bits: the upper ones choose the noise, the lower ones whether the pixel is lost. */
const LEVEL_BITS = 12;
const LEVELS = 1 << LEVEL_BITS;
const LOSS_LEVELS = 2 ** (32 - LEVEL_BITS);
/**
 * Standard normal numbers out of uniform ones: the logistic distribution's quantiles, which are near enough, in steps that a millimetre of rounding
 * hides.
 */
const QUANTILES = Float32Array.from({ length: LEVELS }, (_, i) => {
  const p = (i + 0.5) / LEVELS;
  return (Math.log(p / (1 - p)) * Math.sqrt(3)) / Math.PI;
});

/** True depth with noise and holes; the same seed gives the same picture. NaN marks holes. */
export function withNoise({ width, height, data }: DepthImage, noise: DepthNoise, seed: number): DepthImage {
  const random = seededRandom(seed);
  const { sigmaAt1M, stepM, nearestM, furthestM } = noise;
  const [edgeLoss, loss] = [noise.edgeLoss * LOSS_LEVELS, noise.loss * LOSS_LEVELS];
  const noisy = new Float32Array(data.length);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const z = data[at]!;
      // Drawn for every pixel, so that one that is lost does not change the others.
      const draw = random() * LEVELS;
      const level = Math.floor(draw);
      const lost = (draw - level) * LOSS_LEVELS;
      const near = EDGE * z;
      const isEdge =
        (x > 0 && !(Math.abs(z - data[at - 1]!) <= near)) ||
        (x < width - 1 && !(Math.abs(z - data[at + 1]!) <= near)) ||
        (y > 0 && !(Math.abs(z - data[at - width]!) <= near)) ||
        (y < height - 1 && !(Math.abs(z - data[at + width]!) <= near));
      if (!(z >= nearestM && z <= furthestM) || lost < (isEdge ? edgeLoss : loss)) {
        noisy[at] = Number.NaN;
        continue;
      }
      const measured = z + sigmaAt1M * z * z * QUANTILES[level]!;
      noisy[at] = Math.round(measured / stepM) * stepM;
    }
  }
  return { width, height, data: noisy };
}
