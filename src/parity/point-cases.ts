import path from 'node:path';
import { z } from 'zod';
import { parseTextPoints } from '../grounding/text-points.js';
import { AnswerModel } from '../inference/networks.js';
import type { Model } from '../inference/model.js';
import { COARSE_TOLERANCE, readCase, readImages, withModel, type ParityOptions } from './case-context.js';
import { CaseReport, everyRow, readNpy, rowsOf, sameStory, type Comparison } from './comparison.js';
import { patchSums } from './patch-sums.js';

export const pointSchema = z.looseObject({
  checkpoint: z.string(),
  checkpoint_native: z.string(),
  images: z.array(z.looseObject({ file: z.string() })),
  prompt: z.string(),
  max_new_tokens: z.number(),
  hidden_state_positions: z.array(z.number()),
  text: z.string(),
  points_pixels: z.array(z.array(z.number())),
});

const TOLERANCE = 1e-4;

/** Molmo2's text pointing, from both layouts of the same weights. */
export async function runPointing(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const stated = await readCase(path.join(folder, 'case.json'), (data) => pointSchema.parse(data));
  const rows: Comparison[] = [];
  for (const [layout, checkpoint] of [
    ['hf', stated.checkpoint],
    ['native', stated.checkpoint_native],
  ] as const) {
    const report = new CaseReport(`${path.basename(folder)} (${layout})`, COARSE_TOLERANCE[options.type]);
    await withModel(path.join(folder, checkpoint), 'pointing', options, (model) =>
      comparePointing(report, model, folder, stated),
    );
    rows.push(...report.rows);
  }
  return rows;
}

async function comparePointing(
  report: CaseReport,
  model: Model,
  folder: string,
  stated: z.infer<typeof pointSchema>,
): Promise<void> {
  const images = await readImages(
    folder,
    stated.images.map(({ file }) => file),
  );
  const network = new AnswerModel(model);
  const { text, tokens } = await network.answer(images, stated.prompt, stated.max_new_tokens);
  const { outputs, sequence } = network.lastRun!;
  const values = (name: string): Float32Array => outputs[name]!.data as Float32Array;
  const expected = async (file: string): Promise<Float32Array> => (await readNpy(folder, file)).data as Float32Array;
  const { vision, language } = model.bundle.description.architecture;
  report.exact('input_ids', tokens.inputIds, await expected('input_ids.npy'));
  report.exact('token_pooling', sequence.tokenPooling, await expected('token_pooling.npy'));
  report.exact(
    'crop_patch_sums',
    patchSums(outputs['pixels']!.data as Uint8Array, vision.patchSize),
    await expected('crop_patch_sums.npy'),
  );
  const features = vision.taps.length * vision.width;
  const patches = values('vit_features').length / features;
  // Every 27th patch of each crop; crops have a whole number of those.
  report.floats(
    'vit_features',
    everyRow(values('vit_features'), features, everyNth(patches)),
    await expected('vit_features.npy'),
    TOLERANCE,
  );
  report.floats(
    'image_features',
    everyRow(values('image_features'), language.width, 2),
    await expected('image_features_every_2nd.npy'),
    TOLERANCE,
  );
  const states = ['embeddings', ...Array.from({ length: language.layers }, (_, i) => `hidden_${i}`)];
  report.floats(
    'hidden_states',
    states.flatMap((name) => [...rowsOf(values(name), language.width, stated.hidden_state_positions)]),
    await expected('hidden_states.npy'),
    TOLERANCE,
  );
  const expectedTokens = (await readNpy(folder, 'tokens.npy')).data;
  const comparable = sameStory(values('logits'), tokens.answer, expectedTokens, language.vocabulary);
  report.floats('logits', ...comparable(await expected('logits.npy')), TOLERANCE);
  report.tokens('tokens', tokens.answer, expectedTokens);
  if (network.model.bundle.description.type !== 'fp32') return;
  report.text('text', text, stated.text);
  // Of one picture [x, y]; of several the picture's number stands before them.
  const points = parseTextPoints(text, (frame) => images[frame - 1]).map(({ frame, pixel }) =>
    images.length === 1 ? [...pixel] : [frame, ...pixel],
  );
  report.floats('points', points.flat(), stated.points_pixels.flat(), 1e-6);
}

const FEATURE_ROWS = 27;

function everyNth(patches: number): number {
  return patches % FEATURE_ROWS === 0 ? FEATURE_ROWS : 1;
}
