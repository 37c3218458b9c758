import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { buildPixelGraph } from '../builder/graphs.js';
import type { CropShape } from '../builder/parts/pixels.js';
import type { RgbImage } from '../core/images.js';
import { InferenceWorker } from '../inference/inference-worker.js';
import type { ImageLayout, Layout } from '../inference/model-input.js';
import { layOutSequence, type PixelSize } from '../inference/sequence.js';
import { selectTiling, type Tiling } from '../inference/tiling.js';
import { completeTokenizer, findTokenIds, Tokenizer } from '../inference/tokenizer.js';
import type { TensorValues } from '../inference/worker-messages.js';
import { readCase, readImages, tokenizerAbove, type ParityOptions } from './case-context.js';
import { CaseReport, readNpy, type Comparison } from './comparison.js';

const runsSchema = z.array(z.tuple([z.number(), z.number()]));
const sizeSchema = z.tuple([z.number(), z.number()]);
export const preprocessSchema = z.looseObject({
  name: z.literal('preprocess'),
  special_ids: z.looseObject({ im_start: z.number() }),
  images: z.array(z.looseObject({ name: z.string(), file: z.string(), resized: z.string(), size_wh: sizeSchema })),
  video: z.array(z.looseObject({ history: z.number(), variant: z.enum(['A', 'B']), tokens: runsSchema })),
  still_images: z.array(
    z.looseObject({
      column_tokens: z.boolean(),
      images: z.array(z.string()),
      tokens_per_image: z.array(runsSchema),
      single_image_tokens: runsSchema,
    }),
  ),
  overlapping_crops: z.array(
    z.looseObject({
      image: z.string(),
      size_wh: sizeSchema,
      tiling_rows_cols: sizeSchema,
      crop_sha256: z.array(z.string()),
      tokens: runsSchema,
    }),
  ),
  tilings: z.looseObject({
    max_crops: z.number(),
    sizes: z.array(z.looseObject({ size_wh: sizeSchema, tiling_rows_cols: sizeSchema, hugging_face: sizeSchema })),
  }),
  outputs: z.array(z.looseObject({ file: z.string() })),
});
type PreprocessCase = z.infer<typeof preprocessSchema>;

/** Of all published models. */
const CROP: CropShape = { cropSize: [378, 378], patchSize: 14 };
const PATCH_TOLERANCE = 1e-6;
const EOS = '<|im_end|>';

/** Pixels, pooling windows, tilings and vision tokens, without any checkpoint. */
export async function runPreprocess(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const stated = await readCase(path.join(folder, 'case.json'), (data) => preprocessSchema.parse(data));
  const report = new CaseReport(path.basename(folder));
  await compareResizing(report, folder, stated);
  await compareTiles(report, folder, stated);
  compareTilings(report, stated);
  await compareSequences(report, folder, stated, options);
  return report.rows;
}

async function compareResizing(report: CaseReport, folder: string, { images, outputs }: PreprocessCase): Promise<void> {
  await withPixelGraph(null, async (pixelsOf) => {
    for (const { name, file, resized } of images) {
      const [image, expected] = (await readImages(folder, [file, resized])) as [RgbImage, RgbImage];
      const { pixels, patches } = await pixelsOf(image, null);
      report.exact(`${name} resized`, unpatchify(pixels), expected.data);
      const patchFile = `${name}.patches.npy`;
      if (outputs.some((output) => output.file === patchFile))
        report.floats(`${name} patches`, patches, (await readNpy(folder, patchFile)).data, PATCH_TOLERANCE);
    }
  });
}

async function compareTiles(
  report: CaseReport,
  folder: string,
  { overlapping_crops, images }: PreprocessCase,
): Promise<void> {
  await withPixelGraph(imageLayout({ crops: 'overlap-and-resize-c2' }), async (pixelsOf) => {
    for (const { image: name, tiling_rows_cols, crop_sha256 } of overlapping_crops) {
      const [image] = (await readImages(folder, [images.find((known) => known.name === name)!.file])) as [RgbImage];
      const { pixels } = await pixelsOf(image, tiling_rows_cols);
      const size = CROP.cropSize[0] * CROP.cropSize[1] * 3;
      const hashes = Array.from({ length: pixels.length / size }, (_, crop) =>
        createHash('sha256')
          .update(unpatchify(pixels.subarray(crop * size, (crop + 1) * size)))
          .digest('hex'),
      );
      report.text(`${name} crops`, hashes.join(), crop_sha256.join());
    }
  });
}

function compareTilings(report: CaseReport, { tilings }: PreprocessCase): void {
  for (const [stage, clampTilingSize] of [
    ['tilings (native)', true],
    ['tilings (hf)', false],
  ] as const) {
    const layout = imageLayout({ clampTilingSize });
    const ours = tilings.sizes.map(({ size_wh: [width, height] }) =>
      selectTiling(height, width, tilings.max_crops, CROP, layout),
    );
    const theirs = tilings.sizes.map((size) => (clampTilingSize ? size.tiling_rows_cols : size.hugging_face));
    report.exact(stage, ours.flat(), theirs.flat());
  }
}

async function compareSequences(
  report: CaseReport,
  folder: string,
  stated: PreprocessCase,
  options: ParityOptions,
): Promise<void> {
  const file = path.join(tokenizerAbove(folder, options) ?? folder, 'tokenizer.json');
  const json = completeTokenizer(file, await readFile(file, 'utf8'), stated.special_ids.im_start);
  const tokenizer = Tokenizer.parse(file, json);
  const tokens = findTokenIds(file, tokenizer, EOS, EOS);
  const lay = (layout: Layout, images: readonly PixelSize[]): ReturnType<typeof layOutSequence> =>
    layOutSequence({ architecture: UNBOUNDED, layout, tokens }, tokenizer, images, '');
  const poolingFile = async (name: string, actual: readonly number[]): Promise<void> => {
    if (stated.outputs.some((output) => output.file === name))
      report.exact(name, actual, (await readNpy(folder, name)).data);
  };
  const sizeOf = (name: string): PixelSize => {
    const [width, height] = stated.images.find((image) => image.name === name)!.size_wh;
    return { width, height };
  };
  for (const { history, variant, tokens: runs } of stated.video) {
    const layout: Layout = {
      kind: 'frames',
      maxFrames: history,
      pooling: [3, 3],
      frameTokens: variant === 'A' ? 'all' : 'each',
    };
    const sequence = lay(layout, Array<PixelSize>(history).fill({ width: 1, height: 1 }));
    report.exact(`video tokens ${variant} H${history}`, sequence.inputIds.slice(1), expand(runs));
    await poolingFile(`video-pooling-h${history}.npy`, sequence.tokenPooling);
  }
  for (const still of stated.still_images) {
    const layout = imageLayout({ columnTokens: still.column_tokens });
    const sequence = lay(layout, still.images.map(sizeOf));
    const name = `still images${still.column_tokens ? ', column tokens' : ''}`;
    report.exact(name, sequence.inputIds.slice(1), still.tokens_per_image.flatMap(expand));
    report.exact(
      `${name}, single`,
      lay(layout, [sizeOf(still.images[0]!)]).inputIds.slice(1),
      expand(still.single_image_tokens),
    );
    await poolingFile('multi-image-pooling.npy', sequence.tokenPooling);
  }
  for (const { image, tokens: runs } of stated.overlapping_crops) {
    const sequence = lay(imageLayout({ crops: 'overlap-and-resize-c2' }), [sizeOf(image)]);
    report.exact(`${image} tokens`, sequence.inputIds.slice(1), expand(runs));
    await poolingFile(`${image}.multicrop-pooling.npy`, sequence.tokenPooling);
  }
}

/** Sizes matter to the layout, weights do not. */
const UNBOUNDED = {
  vision: {
    ...CROP,
    width: 1,
    heads: 1,
    kvHeads: 1,
    headSize: 1,
    mlpWidth: 1,
    blocks: 1,
    storedBlocks: 1,
    taps: [0],
    activation: 'gelu',
    epsilon: 1,
  },
  language: { maxLength: Number.MAX_SAFE_INTEGER },
} as unknown as Parameters<typeof layOutSequence>[0]['architecture'];

function imageLayout(options: Partial<ImageLayout>): ImageLayout {
  return {
    kind: 'images',
    maxImages: 8,
    crops: 'resize',
    pooling: [2, 2],
    multiImagePooling: [2, 2],
    columnTokens: false,
    tileColumnTokens: true,
    lowResolutionStart: true,
    maxTiles: 8,
    multiImageMaxTiles: 8,
    overlapMargins: [4, 4],
    clampTilingSize: true,
    labels: 'sequence',
    ...options,
  };
}

interface PixelValues {
  readonly pixels: Uint8Array;
  readonly patches: Float32Array;
}

async function withPixelGraph(
  layout: ImageLayout | null,
  ask: (pixelsOf: (image: RgbImage, tiling: Tiling | null) => Promise<PixelValues>) => Promise<void>,
): Promise<void> {
  const graph = buildPixelGraph(1, { vision: CROP, resizeBottleneck: false, layout });
  const worker = await InferenceWorker.start({ task: 'pixels', graph, provider: 'cpu' });
  try {
    await ask(async (image, tiling) => {
      const inputs: TensorValues = {
        image_0: { type: 'uint8', dims: [image.height, image.width, 3], data: Uint8Array.from(image.data) },
        ...(tiling && { tiling_0: { type: 'int64', dims: [2], data: BigInt64Array.from(tiling, BigInt) } }),
      };
      const { outputs } = await worker.run(inputs);
      return { pixels: outputs['pixels']!.data as Uint8Array, patches: outputs['patches']!.data as Float32Array };
    });
  } finally {
    await worker.close();
  }
}

/** Patches of one crop back into rows of pixels. */
function unpatchify(patches: Uint8Array): Uint8Array {
  const [height, width] = CROP.cropSize;
  const { patchSize } = CROP;
  const columns = width / patchSize;
  const image = new Uint8Array(height * width * 3);
  const rowBytes = patchSize * 3;
  for (let patch = 0; patch < patches.length / (patchSize * rowBytes); patch++) {
    const top = Math.floor(patch / columns) * patchSize;
    const left = (patch % columns) * rowBytes;
    for (let row = 0; row < patchSize; row++) {
      const from = (patch * patchSize + row) * rowBytes;
      image.set(patches.subarray(from, from + rowBytes), (top + row) * width * 3 + left);
    }
  }
  return image;
}

function expand(runs: readonly (readonly [number, number])[]): number[] {
  return runs.flatMap(([id, count]) => Array<number>(count).fill(id));
}
