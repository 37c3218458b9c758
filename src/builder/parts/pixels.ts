import type { ImageLayout } from '../../inference/model-input.js';
import type { VisionArchitecture } from '../../inference/architecture.js';
import type { Algebra, Size } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';

const CHANNELS = 3;
/** Of MolmoBot's antialiased detour (`use_resize_bottleneck`). */
const BOTTLENECK = 224;

/** What of the vision tower the pixels depend on. */
export type CropShape = Pick<VisionArchitecture, 'cropSize' | 'patchSize'>;

export interface PixelOptions {
  readonly vision: CropShape;
  readonly resizeBottleneck: boolean;
  /** Null for frames of a video, which are resized whole. */
  readonly layout: ImageLayout | null;
}

/**
 * Patches of all frames of a video, [frames, patches, patch * patch * 3], or none where there is no video; whole-numbered.
 * @param frames uint8 [frames, height, width, 3].
 */
function patchesOfFrames(g: Algebra, frames: Tensor, vision: CropShape): Tensor {
  return g.within('frames', () =>
    g.choose(
      g.less(g.int(0), g.size(frames, 0)),
      (inner) => patchify(inner, cropsOfFrames(inner, frames, vision), vision),
      (inner) => noPatches(inner, vision),
    ),
  );
}

function noPatches(g: Algebra, { cropSize, patchSize }: CropShape): Tensor {
  const patches = (cropSize[0] / patchSize) * (cropSize[1] / patchSize);
  return g.expand(g.float(0), [0, patches, patchSize * patchSize * CHANNELS]);
}

/**
 * Patches of all crops of all images: [crops, patches, patch * patch * 3] in -1..1, (row, column, channel) inside a patch.
 * An image of no pixels is left out.
 * @param images uint8 [height, width, 3], any size.
 * @param tilings int64 [rows, columns] for each image, where the layout tiles.
 * @param frames of a video, in a model that takes these too; they come behind the images.
 */
export function patchesOfImages(
  g: Algebra,
  images: readonly Tensor[],
  tilings: readonly Tensor[],
  options: PixelOptions,
  frames: Tensor | null = null,
): Tensor {
  const { cropSize, patchSize } = options.vision;
  const patches = (cropSize[0] / patchSize) * (cropSize[1] / patchSize);
  const perImage = images.map((image, k) =>
    g.within(`image_${k}`, () =>
      g.choose(
        g.less(g.int(0), g.size(image, 0)),
        (inner) => patchify(inner, cropsOfImage(inner, image, tilings[k], options), options.vision),
        (inner) => noPatches(inner, options.vision),
      ),
    ),
  );
  if (frames) perImage.push(patchesOfFrames(g, frames, options.vision));
  // Pixels stay whole numbers until here, so that they can be compared with the reference's bit by bit.
  const pixels = g.concat(perImage, 0);
  g.trace('pixels', g.cast(pixels, 'uint8'), ['crops', patches, patchSize * patchSize * CHANNELS]);
  const normalized = g.sub(g.mul(g.div(pixels, g.float(255)), g.float(2)), g.float(1));
  g.trace('patches', normalized, ['crops', patches, patchSize * patchSize * CHANNELS]);
  return normalized;
}

/** Whole-numbered float32 [crops, height, width * 3]. */
function cropsOfImage(g: Algebra, image: Tensor, tiling: Tensor | undefined, options: PixelOptions): Tensor {
  const { vision, layout, resizeBottleneck } = options;
  const [height, width] = vision.cropSize;
  const flat = g.reshape(image, [0, -1]);
  const source = resizeBottleneck ? antialiasedResize(g, flat, BOTTLENECK, BOTTLENECK) : flat;
  const whole = g.unsqueeze(bilinearResize(g, source, height, width), [0]);
  if (!tiling || layout?.crops !== 'overlap-and-resize-c2') return whole;
  return g.concat([whole, tiles(g, source, tiling, vision, layout)], 0);
}

/** Each frame resized whole: uint8 [frames, height, width, 3] -> whole-numbered float32 [frames, crop height, crop width * 3]. */
function cropsOfFrames(g: Algebra, frames: Tensor, { cropSize: [height, width] }: CropShape): Tensor {
  const { collected } = g.loop(g.size(frames, 0), g.bool(true), [], (inner, i) => ({
    carried: [],
    collected: [bilinearResize(inner, inner.reshape(inner.gather(frames, i), [0, -1]), height, width)],
  }));
  return collected[0]!;
}

/** Overlapping crops of the enlarged image, row by row. */
function tiles(g: Algebra, flat: Tensor, tiling: Tensor, vision: CropShape, layout: ImageLayout): Tensor {
  const [before, after] = layout.overlapMargins;
  const margin = (before + after) * vision.patchSize;
  const [height, width] = vision.cropSize;
  const [rows, columns] = g.split(tiling, [1, 1], 0) as [Tensor, Tensor];
  const side = (count: Tensor, crop: number): Tensor =>
    g.add(g.mul(g.squeeze(count, [0]), g.int(crop - margin)), g.int(margin));
  const enlarged = bilinearResize(g, flat, side(rows, height), side(columns, width));
  /** Positions [count, length]: each crop begins one window behind the one before it. */
  const positions = (count: Tensor, crop: number, step: number): Tensor =>
    g.add(
      g.unsqueeze(g.mul(g.range(g.squeeze(count, [0])), g.int((crop - margin) * step)), [1]),
      g.unsqueeze(g.ints(Array.from({ length: crop * step }, (_, i) => i)), [0]),
    );
  const rowBands = g.gather(enlarged, positions(rows, height, 1), 0);
  const crops = g.transpose(g.gather(rowBands, positions(columns, width, CHANNELS), 2), [0, 2, 1, 3]);
  return g.reshape(crops, [-1, height, width * CHANNELS]);
}

/** [crops, height, width * 3] -> [crops, patches, patch * patch * 3]. */
function patchify(g: Algebra, crops: Tensor, { cropSize, patchSize }: CropShape): Tensor {
  const [rows, columns] = [cropSize[0] / patchSize, cropSize[1] / patchSize];
  const grid = g.reshape(crops, [-1, rows, patchSize, columns, patchSize * CHANNELS]);
  return g.reshape(g.transpose(grid, [0, 1, 3, 2, 4]), [-1, rows * columns, patchSize * patchSize * CHANNELS]);
}

/** Where each target pixel of an axis lies between two source pixels: their indices and weights. */
interface AxisSampling {
  readonly lower: Tensor;
  readonly upper: Tensor;
  readonly lowerWeight: Tensor;
  readonly upperWeight: Tensor;
}

/**
 * torchvision's bilinear resize of uint8 without antialiasing, to the bit: float32 with fused multiply-adds, for which a float64 product and sum
 * rounded to float32 stand in, and halves rounded to even. (ONNX Resize rounds its coordinates differently.)
 * @param flat uint8, or whole-numbered float32, [height, width * 3].
 * @returns whole-numbered float32 [outHeight, outWidth * 3].
 */
function bilinearResize(g: Algebra, flat: Tensor, outHeight: Size, outWidth: Size): Tensor {
  const y = sampleAxis(g, g.size(flat, 0), outHeight);
  const source = g.reshape(flat, [0, -1, CHANNELS]);
  const x = sampleAxis(g, g.size(source, 1), outWidth);
  const channelWeights = (weights: Tensor): Tensor =>
    g.reshape(g.expand(g.unsqueeze(weights, [1]), [1, CHANNELS]), [1, -1]);
  const rows = { lower: g.gather(source, y.lower), upper: g.gather(source, y.upper) };
  const rowWeights = { lower: g.unsqueeze(y.lowerWeight, [1]), upper: g.unsqueeze(y.upperWeight, [1]) };
  const columnWeights = { lower: channelWeights(x.lowerWeight), upper: channelWeights(x.upperWeight) };
  const pixel = (row: 'lower' | 'upper', column: 'lower' | 'upper'): Tensor =>
    g.flatten(g.gather(rows[row], x[column], 1));
  const weight = (row: 'lower' | 'upper', column: 'lower' | 'upper'): Tensor =>
    g.mul(rowWeights[row], columnWeights[column]);
  const fused = (sum: Tensor, row: 'lower' | 'upper', column: 'lower' | 'upper'): Tensor =>
    g.cast(
      g.add(
        g.mul(g.cast(pixel(row, column), 'float64'), g.cast(weight(row, column), 'float64')),
        g.cast(sum, 'float64'),
      ),
      'float32',
    );
  const first = g.mul(g.cast(pixel('lower', 'upper'), 'float32'), weight('lower', 'upper'));
  return g.round(fused(fused(fused(first, 'lower', 'lower'), 'upper', 'lower'), 'upper', 'upper'));
}

function sampleAxis(g: Algebra, size: Tensor, outSize: Size): AxisSampling {
  const out = typeof outSize === 'number' ? g.int(outSize) : outSize;
  const scale = g.div(g.cast(size, 'float32'), g.cast(out, 'float32'));
  const centres = g.add(g.cast(g.range(out), 'float64'), g.float(0.5, 'float64'));
  const position = g.max(
    g.cast(g.sub(g.mul(g.cast(scale, 'float64'), centres), g.float(0.5, 'float64')), 'float32'),
    g.float(0),
  );
  const floor = g.floor(position);
  const lower = g.cast(floor, 'int64');
  const upperWeight = g.sub(position, floor);
  return {
    lower,
    upper: g.min(g.add(lower, g.int(1)), g.sub(size, g.int(1))),
    lowerWeight: g.sub(g.float(1), upperWeight),
    upperWeight,
  };
}

/** torchvision's bilinear resize with antialiasing: columns first, then rows, rounded to whole levels. [height, width * 3] float32. */
function antialiasedResize(g: Algebra, flat: Tensor, outHeight: number, outWidth: number): Tensor {
  const height = g.size(flat, 0);
  const width = g.div(g.size(flat, 1), g.int(CHANNELS));
  const pixels = g.reshape(g.cast(flat, 'float32'), [height, width, CHANNELS]);
  // [out, in] x [in, height * 3]
  const acrossColumns = g.matmul(
    antialiasingWeights(g, width, outWidth),
    g.reshape(g.transpose(pixels, [1, 0, 2]), [width, -1]),
  );
  const narrowed = g.reshape(g.transpose(g.reshape(acrossColumns, [outWidth, -1, CHANNELS]), [1, 0, 2]), [
    height,
    outWidth * CHANNELS,
  ]);
  const resized = g.matmul(antialiasingWeights(g, height, outHeight), narrowed);
  return g.min(g.max(g.round(resized), g.float(0)), g.float(255));
}

/** Triangle filter, as wide as a target pixel where the image shrinks: weights [out, in], each row of sum 1. */
function antialiasingWeights(g: Algebra, size: Tensor, outSize: number): Tensor {
  const scale = g.div(g.cast(size, 'float32'), g.float(outSize));
  const reach = g.max(scale, g.float(1));
  const centres = g.unsqueeze(g.mul(scale, g.add(g.cast(g.range(g.int(outSize)), 'float32'), g.float(0.5))), [1]);
  const columns = g.unsqueeze(g.cast(g.range(size), 'float32'), [0]);
  // The window holds whole pixels only: from int(centre - reach + 0.5) up to, and without, int(centre + reach + 0.5).
  const first = g.floor(g.max(g.add(g.sub(centres, reach), g.float(0.5)), g.float(0)));
  const end = g.floor(g.add(g.add(centres, reach), g.float(0.5)));
  const distance = g.abs(g.div(g.add(g.sub(columns, centres), g.float(0.5)), reach));
  const triangle = g.max(g.sub(g.float(1), distance), g.float(0));
  const inside = g.and(g.lessOrEqual(first, columns), g.less(columns, end));
  const weights = g.where(inside, triangle, g.float(0));
  return g.div(weights, g.sum(weights, 1, true));
}
