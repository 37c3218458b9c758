import path from 'node:path';
import { z } from 'zod';
import type { Vector3 } from '../core/vector.js';
import { forecastPrompt } from '../forecasting/prompt.js';
import { patchGrid } from '../inference/architecture.js';
import { AnswerModel } from '../inference/networks.js';
import { COARSE_TOLERANCE, readCase, readImages, withModel, type ParityOptions } from './case-context.js';
import { CaseReport, readNpy, rowsOf, sameStory, type Comparison } from './comparison.js';

const vectorSchema = z.tuple([z.number(), z.number(), z.number()]);
export const motionSchema = z.looseObject({
  question: z.string(),
  inputs: z.looseObject({
    frames: z.array(z.string()),
    caption: z.string(),
    future_horizon: z.number(),
    points_3d_history: z.array(z.array(vectorSchema)),
  }),
  max_new_tokens: z.number(),
  selected_positions: z.array(z.number()),
  selected_patches: z.array(z.number()),
});
const decodeSchema = z.looseObject({ text: z.string() });

const TOLERANCE = 1e-4;
/** Guesses in a pass besides the default ones: none, fewer, and more than any answer has tokens. */
const OTHER_DRAFTS = [0, 1, 5, 500];
const CUT_AFTER = 7;

/** MolmoMotion: prompt, pixels, features, hidden states, logits of every step, greedy tokens. */
export async function runMotion(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const stated = await readCase(path.join(folder, 'case.json'), (data) => motionSchema.parse(data));
  const decoded = await readCase(path.join(folder, 'decode.json'), (data) => decodeSchema.parse(data));
  return withModel(path.join(folder, 'checkpoint'), 'forecast', options, async (model) => {
    const report = new CaseReport(path.basename(folder), COARSE_TOLERANCE[options.type]);
    const { inputs } = stated;
    const history: readonly (readonly Vector3[])[] = inputs.points_3d_history;
    const question = forecastPrompt({ caption: inputs.caption, history, horizon: inputs.future_horizon });
    report.text('question', question, stated.question);
    const network = new AnswerModel(model);
    const images = await readImages(folder, inputs.frames);
    const { text, tokens } = await network.answer(images, question, stated.max_new_tokens);
    const { outputs } = network.lastRun!;
    const values = (name: string): Float32Array => outputs[name]!.data as Float32Array;
    const expected = async (file: string): Promise<Float32Array> => (await readNpy(folder, file)).data as Float32Array;
    const compare = async (stage: string, actual: ArrayLike<number>): Promise<void> => {
      report.floats(stage, actual, await expected(`${stage}.npy`), TOLERANCE);
    };
    const { vision, language } = model.bundle.description.architecture;
    const [rows, columns] = patchGrid(vision);
    const patches = stated.selected_patches;
    const positions = stated.selected_positions;
    report.exact('input-ids', tokens.inputIds, await expected('input-ids.npy'));
    report.exact('token-pooling', network.lastRun!.sequence.tokenPooling, await expected('token-pooling.npy'));
    const pixels = await readNpy(folder, 'patches.npy');
    // uint8 as handed to a model that normalises by itself, else float32.
    report.exact('patches', outputs[pixels.dtype === 'u1' ? 'pixels' : 'patches']!.data, pixels.data);
    await compare('vit-input', rowsOf(values('vit_input'), vision.width, patches));
    await compare(
      'vit-blocks',
      concat(Array.from({ length: vision.blocks }, (_, j) => rowsOf(values(`vit_block_${j}`), vision.width, patches))),
    );
    const features = vision.taps.length * vision.width;
    await compare('vit-features', values('vit_features').subarray(0, rows * columns * features));
    await compare('pooled-features', values('pooled_features'));
    await compare('image-features', values('image_features'));
    await compare('embeddings', rowsOf(values('embeddings'), language.width, positions));
    const half = language.headSize / 2;
    const table = (name: string): Float32Array => repeatHalves(rowsOf(values(name), half, positions), half);
    await compare('rope-cos-sin', concat([table('rope_cos'), table('rope_sin')]));
    await compare(
      'block0-attention',
      rowsOf(values('block0_attention'), language.heads * language.headSize, positions),
    );
    const hidden = (i: number): Float32Array => values(`hidden_${i}`);
    await compare(
      'hidden-states',
      concat(Array.from({ length: language.layers }, (_, i) => rowsOf(hidden(i), language.width, positions))),
    );
    await compare('last-hidden', hidden(language.layers - 1).subarray(-language.width));
    await compare('last-hidden-normed', values('ln_f').subarray(-language.width));
    await compare('logits-first', values('logits').subarray(0, language.vocabulary));
    const expectedTokens = (await readNpy(folder, 'tokens.npy')).data;
    const comparable = sameStory(values('logits'), tokens.answer, expectedTokens, language.vocabulary);
    report.floats('logits-steps', ...comparable(await expected('logits-steps.npy')), TOLERANCE);
    report.tokens('tokens', tokens.answer, expectedTokens);
    if (options.type === 'fp32') {
      report.text('text', text, decoded.text);
      for (const guesses of OTHER_DRAFTS) {
        for (const most of [stated.max_new_tokens, CUT_AFTER]) {
          const other = await new AnswerModel(model, guesses).answer(images, question, most);
          report.tokens(
            `tokens, ${guesses} guesses, at most ${most}`,
            other.tokens.answer,
            expectedTokens.slice(0, most),
          );
        }
      }
    }
    return report.rows;
  });
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The reference keeps each angle twice, for both halves of a head. */
function repeatHalves(rows: Float32Array, half: number): Float32Array {
  return concat(
    Array.from({ length: rows.length / half }, (_, row) => rows.subarray(row * half, (row + 1) * half)).flatMap(
      (part) => [part, part],
    ),
  );
}
