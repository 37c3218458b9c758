import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { LOCATION_CELLS, logitCount } from '../inference/architecture.js';
import type { Selection } from '../inference/grounded-points.js';
import { PointingModel, type PointingAnswer } from '../inference/pointing.js';
import { COARSE_TOLERANCE, readCase, readImages, withModel, type ParityOptions } from './case-context.js';
import { CaseReport, everyRow, readNpy, rowsOf, sameStory, type Comparison } from './comparison.js';
import { patchSums } from './patch-sums.js';

const points = z.array(z.array(z.number()));
const answerSchema = z.looseObject({
  tokens: z.array(z.number()),
  text: z.string(),
  selections: points,
  points_pixels: points,
  points_when_cut: z.array(z.looseObject({ max_new_tokens: z.number(), points })),
});
export const groundingSchema = z.looseObject({
  checkpoint: z.string(),
  checkpoint_native: z.string().optional(),
  inputs_from: z.string().optional(),
  images: z.array(z.looseObject({ file: z.string() })).optional(),
  video: z.looseObject({ files: z.array(z.string()), timestamps_seconds: z.array(z.number()) }).optional(),
  prompt: z.string(),
  max_new_tokens: z.number(),
  n_tokens: z.number(),
  pool_size: z.number(),
  ids: z.looseObject({ patch: z.number(), subpatch: z.number(), location: z.number(), vocabulary: z.number() }),
  native: answerSchema.optional(),
  hf: answerSchema.optional(),
});
type Case = z.infer<typeof groundingSchema>;
type Answer = z.infer<typeof answerSchema>;
type Implementation = 'native' | 'hf';

const TOLERANCE = 1e-4;
const PIXEL_TOLERANCE = 1e-3;
/** How the reference writes "no more points" among selections. */
const NO_MORE = 1_000_000;

/** MolmoPoint's answers in grounding tokens: each layout against the published code that reads it. */
export async function runGrounding(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const stated = await readCase(path.join(folder, 'case.json'), (data) => groundingSchema.parse(data));
  const missing = pictureFiles(stated).find((file) => !existsSync(path.join(folder, file)));
  if (missing !== undefined) {
    const note = `the set lacks the case's input ${missing}`;
    return [{ case: caseName(folder), stage: '-', difference: null, tolerance: null, verdict: 'skipped', note }];
  }
  const rows: Comparison[] = [];
  for (const [implementation, checkpoint, answer] of [
    ['hf', stated.checkpoint, stated.hf],
    ['native', stated.checkpoint_native, stated.native],
  ] as const) {
    if (checkpoint === undefined || !answer) continue;
    const report = new CaseReport(`${caseName(folder)} (${implementation})`, COARSE_TOLERANCE[options.type]);
    await withModel(path.join(folder, checkpoint), 'pointing', options, async (model) => {
      const comparison = new GroundingComparison(report, new PointingModel(model), folder, stated);
      await comparison.run(implementation, answer);
    });
    rows.push(...report.rows);
  }
  return rows;
}

/** Cases of both weight forms have the same names. */
function caseName(folder: string): string {
  return path.resolve(folder).split(path.sep).slice(-2).join('/');
}

function pictureFiles({ images, video }: Case): readonly string[] {
  return video?.files ?? images?.map(({ file }) => file) ?? [];
}

class GroundingComparison {
  readonly #report: CaseReport;
  readonly #model: PointingModel;
  readonly #folder: string;
  readonly #case: Case;

  constructor(report: CaseReport, model: PointingModel, folder: string, stated: Case) {
    this.#report = report;
    this.#model = model;
    this.#folder = folder;
    this.#case = stated;
  }

  async run(implementation: Implementation, expected: Answer): Promise<void> {
    const answer = await this.#ask(this.#case.max_new_tokens);
    await this.#compareInputs();
    this.#report.tokens('tokens', this.#written(answer, implementation), expected.tokens);
    await (implementation === 'native' ? this.#compareNative(answer, expected) : this.#comparePort(answer, expected));
    if (this.#model.network.model.bundle.description.type !== 'fp32') return;
    if (implementation === 'native') this.#report.text('text', withoutEnd(answer.text), withoutEnd(expected.text));
    this.#report.exact(
      'selections',
      answer.selections!.flatMap(({ imageToken, slot, cell }: Selection) => [imageToken, slot, cell]),
      expected.selections.filter(([token]) => token !== NO_MORE).flat(),
    );
    this.#report.floats('points', this.#rows(answer, implementation), expected.points_pixels.flat(), PIXEL_TOLERANCE);
    for (const { max_new_tokens: most, points: left } of expected.points_when_cut)
      this.#report.floats(
        `points of ${most} tokens`,
        this.#rows(await this.#ask(most), implementation),
        left.flat(),
        PIXEL_TOLERANCE,
      );
  }

  async #ask(maxNewTokens: number): Promise<PointingAnswer> {
    const { video, prompt } = this.#case;
    const images = await readImages(this.#folder, pictureFiles(this.#case));
    return this.#model.point({ images, prompt, maxNewTokens, times: video?.timestamps_seconds });
  }

  async #compareInputs(): Promise<void> {
    const { outputs, sequence } = this.#model.network.lastRun!;
    this.#report.exact('input_ids', sequence.inputIds, await this.#input('input_ids.npy'));
    this.#report.exact('token_pooling', sequence.tokenPooling, await this.#input('token_pooling.npy'));
    if (!existsSync(path.join(this.#inputs, 'crop_patch_sums.npy'))) return;
    const { patchSize } = this.#model.network.model.bundle.description.architecture.vision;
    const pixels = outputs['pixels']!.data as Uint8Array;
    this.#report.exact('crop_patch_sums', patchSums(pixels, patchSize), await this.#input('crop_patch_sums.npy'));
  }

  /** Token ids of the answer; the port writes choices as ids of an enlarged vocabulary. */
  #written({ tokens, choices }: PointingAnswer, implementation: Implementation): readonly number[] {
    if (implementation === 'native') return tokens.answer;
    const { ids, n_tokens: count, pool_size: slots } = this.#case;
    const first = new Map([
      [ids.patch, ids.vocabulary],
      [ids.subpatch, ids.vocabulary + count + 1],
      [ids.location, ids.vocabulary + count + 1 + slots],
    ]);
    return tokens.answer.map((token, i) => (first.has(token) ? first.get(token)! + choices![i]! : token));
  }

  async #compareNative(answer: PointingAnswer, expected: Answer): Promise<void> {
    const { language, grounding } = this.#model.network.model.bundle.description.architecture;
    const { pool_size: slots } = this.#case;
    const head = grounding!.width;
    const floats = async (stage: string, actual: Float32Array, file: string): Promise<void> => {
      this.#report.floats(stage, actual, await this.#floats(file), TOLERANCE);
    };
    await floats(
      'image_features',
      everyRow(this.#values('image_features'), language.width, 4),
      'native_image_features_every_4th.npy',
    );
    await floats('patch_keys', everyRow(this.#values('patch_keys'), head, 4), 'native_patch_keys_every_4th.npy');
    await floats(
      'slot_keys',
      everyRow(this.#values('slot_keys'), slots * head, 16),
      'native_subpatch_keys_every_16th.npy',
    );
    const { answer: tokens } = answer.tokens;
    const hidden = sameStory(this.#values('answer_hidden'), tokens, expected.tokens, language.width);
    this.#report.floats('hidden', ...hidden(await this.#floats('native_hidden.npy')), TOLERANCE);
    const logits = sameStory(this.#values('logits'), tokens, expected.tokens, logitCount(language));
    this.#report.floats('logits', ...logits(await this.#floats('native_logits.npy')), TOLERANCE);
    await this.#compareScores(answer, 'native');
    await floats(
      'slot_scores',
      this.#scores('slot_scores', answer, this.#case.ids.subpatch, slots),
      'native_subpatch_logits.npy',
    );
    await floats(
      'cell_scores',
      this.#scores('cell_scores', answer, this.#case.ids.location, LOCATION_CELLS),
      'native_location_logits.npy',
    );
  }

  /** Of the port's logits, those of the tokens that are not grounding tokens: these it overwrites by what the head chose. */
  async #comparePort(answer: PointingAnswer, expected: Answer): Promise<void> {
    const { ids, n_tokens: count, pool_size: slots } = this.#case;
    const grounding = new Set([ids.patch, ids.subpatch, ids.location]);
    const width = ids.vocabulary + count + 1 + slots + LOCATION_CELLS;
    const text = (row: number, stride: number, data: Float32Array): number[] =>
      [...data.subarray(row * stride, row * stride + ids.vocabulary)].filter((_, i) => !grounding.has(i));
    const written = this.#written(answer, 'hf');
    const differs = written.findIndex((token, i) => token !== expected.tokens[i]);
    const steps = differs < 0 ? Math.min(written.length, expected.tokens.length) : differs + 1;
    const own = this.#values('logits');
    const reference = await this.#floats('hf_logits.npy');
    const rows = Array.from({ length: steps }, (_, row) => row);
    this.#report.floats(
      'logits',
      rows.flatMap((row) => text(row, ids.vocabulary, own)),
      rows.flatMap((row) => text(row, width, reference)),
      TOLERANCE,
    );
    await this.#compareScores(answer, 'hf');
  }

  async #compareScores(answer: PointingAnswer, implementation: Implementation): Promise<void> {
    const { ids, n_tokens: count } = this.#case;
    const scores = this.#scores('token_scores', answer, ids.patch, count + 1);
    this.#report.floats('token_scores', scores, await this.#floats(`${implementation}_patch_logits.npy`), TOLERANCE);
  }

  /** Rows of a value that has one for each token but the first, where that token was said. */
  #scores(name: string, { tokens }: PointingAnswer, token: number, width: number): Float32Array {
    const steps = tokens.answer.flatMap((said, i) => (said === token ? [i - 1] : []));
    return rowsOf(this.#values(name), width, steps);
  }

  /** As the reference's decoders write points: number, picture from 0 on or seconds, x, y; native ones of one picture have no second column. */
  #rows(answer: PointingAnswer, implementation: Implementation): number[] {
    const hasFrame = implementation === 'hf' || pictureFiles(this.#case).length > 1;
    return answer.points.flatMap(({ id, image, timeS, pixel }) => [
      id,
      ...(hasFrame ? [timeS ?? image! - 1] : []),
      ...pixel,
    ]);
  }

  get #inputs(): string {
    return path.join(this.#folder, this.#case.inputs_from ?? '.');
  }

  async #input(file: string): Promise<Float32Array> {
    return (await readNpy(this.#inputs, file)).data as Float32Array;
  }

  async #floats(file: string): Promise<Float32Array> {
    return (await readNpy(this.#folder, file)).data as Float32Array;
  }

  #values(name: string): Float32Array {
    return this.#model.network.lastRun!.outputs[name]!.data as Float32Array;
  }
}

/** The reference's texts end with, or without, the token that ends the turn. */
function withoutEnd(text: string): string {
  return text.replace(/<\|im_end\|>$/, '');
}
