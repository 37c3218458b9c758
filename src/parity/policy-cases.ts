import path from 'node:path';
import { z } from 'zod';
import { timeSinusoids } from '../builder/parts/flow.js';
import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import { referenceCommand } from '../execution/reference-command.js';
import type { Model, ModelRun } from '../inference/model.js';
import { PolicyModel } from '../inference/networks.js';
import { ActionExpertPolicy, type PolicyResult } from '../planning/action-expert-policy.js';
import { normalize } from '../planning/normalization.js';
import { COARSE_TOLERANCE, readCase, readImages, withModel, type ParityOptions } from './case-context.js';
import { CaseReport, readNpy, type Comparison } from './comparison.js';

const toleranceSchema = z.union([z.number(), z.string()]);
const fileSchema = z.looseObject({ tolerance: toleranceSchema });
const querySchema = z.looseObject({
  name: z.string(),
  images: z.array(z.looseObject({ file: z.string() })),
  task: z.string(),
  actions_scale: z.array(z.number()),
  files: z.record(z.string(), fileSchema),
  commands: z
    .looseObject({ ticks: z.array(z.looseObject({ arm: z.array(z.number()), gripper: z.number() })) })
    .optional(),
});
export const queriesSchema = z.looseObject({ queries: z.array(querySchema) });
const variantSchema = z.looseObject({
  name: z.string(),
  treatment: z.enum(['honour', 'may-refuse', 'refuse']),
  task: z.string(),
  images: z.array(z.string()),
  tolerance: z.number().optional(),
  actions_scale: z.array(z.number()).optional(),
});
export const variantsSchema = z.looseObject({ variants: z.array(variantSchema) });
export const benchSchema = z.looseObject({
  case: z.literal('bench'),
  images: z.array(z.looseObject({ file: z.string() })),
  task: z.string(),
  tolerance: z.number(),
  actions_scale: z.array(z.number()),
});

/** Of unnormalised actions and commands: absolute, times the column's scale. */
const ACTION_TOLERANCE = 1e-4;

/** A checkpoint with several queries, some with their intermediate values. */
export async function runQueries(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const { queries } = await readCase(path.join(folder, 'case.json'), (data) => queriesSchema.parse(data));
  return withModel(path.join(folder, 'checkpoint'), 'policy', options, async (model) => {
    const rows: Comparison[] = [];
    for (const query of queries) {
      const report = new CaseReport(`${path.basename(folder)}/${query.name}`, COARSE_TOLERANCE[options.type]);
      const images = await readImages(
        folder,
        query.images.map(({ file }) => file),
      );
      const files = path.join(folder, query.name);
      const tolerance = (file: string): number => {
        const { tolerance: stated } = query.files[file] ?? { tolerance: ACTION_TOLERANCE };
        return typeof stated === 'number' ? stated : ACTION_TOLERANCE;
      };
      const { result, run, state } = await askPolicy(model, files, images, query.task);
      await compareStages(report, model, files, Object.keys(query.files), tolerance, run);
      await compareDecision(report, files, result, run, tolerance, query.actions_scale);
      query.commands?.ticks.forEach((tick, k) => {
        const command = referenceCommand(result.chunk.steps[k]!, state);
        report.floats(`command ${k} arm`, command.arm, tick.arm, ACTION_TOLERANCE);
        report.tokens(`command ${k} gripper`, [command.gripper], [tick.gripper]);
      });
      rows.push(...report.rows);
    }
    return rows;
  });
}

/** Small checkpoints that differ in one option each; one that cannot be honoured must be refused by name. */
export async function runVariants(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const { variants } = await readCase(path.join(folder, 'case.json'), (data) => variantsSchema.parse(data));
  const rows: Comparison[] = [];
  for (const variant of variants) {
    const report = new CaseReport(variant.name, COARSE_TOLERANCE[options.type]);
    const files = path.join(folder, variant.name);
    try {
      await withModel(path.join(files, 'checkpoint'), 'policy', options, async (model) => {
        const all = await readImages(folder, variant.images);
        const { input } = model.bundle.description;
        const images = input.kind === 'images' ? all.slice(0, input.maxImages) : all;
        if (images.length < all.length) {
          const refusal = await refusalOf(() => askPolicy(model, files, all, variant.task));
          report.note('surplus pictures', refusal ? 'refused' : 'fail', refusal ?? 'they were dropped without a word');
        }
        const { result, run } = await askPolicy(model, files, images, variant.task);
        const tolerance = (): number => variant.tolerance ?? ACTION_TOLERANCE;
        await compareDecision(report, files, result, run, tolerance, variant.actions_scale ?? []);
        if (variant.treatment === 'refuse') report.note('treatment', 'fail', 'it must be refused');
      });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      report.note('checkpoint', variant.treatment === 'honour' ? 'fail' : 'refused', error.message);
    }
    rows.push(...report.rows);
  }
  return rows;
}

/** The checkpoint that speed is measured on. */
export async function runBench(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const bench = await readCase(path.join(folder, 'case.json'), (data) => benchSchema.parse(data));
  return withModel(path.join(folder, 'checkpoint'), 'policy', options, async (model) => {
    const report = new CaseReport(path.basename(folder), COARSE_TOLERANCE[options.type]);
    const images = await readImages(
      folder,
      bench.images.map(({ file }) => file),
    );
    const { result, run } = await askPolicy(model, folder, images, bench.task);
    await compareDecision(report, folder, result, run, () => bench.tolerance, bench.actions_scale);
    return report.rows;
  });
}

async function refusalOf(ask: () => Promise<unknown>): Promise<string | null> {
  try {
    await ask();
    return null;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

async function askPolicy(
  model: Model,
  files: string,
  images: readonly RgbImage[],
  instruction: string,
): Promise<{ readonly result: PolicyResult; readonly run: ModelRun; readonly state: number[] }> {
  const network = new PolicyModel(model);
  const state = Array.from((await readNpy(files, 'state.npy')).data as Float32Array);
  const noise = (await readNpy(files, 'noise.npy')).data as Float32Array;
  const result = await new ActionExpertPolicy(network).plan({ stamp: 0n, images, instruction, state }, noise);
  return { result, run: network.lastRun!, state };
}

async function compareDecision(
  report: CaseReport,
  files: string,
  result: PolicyResult,
  { outputs, sequence }: ModelRun,
  tolerance: (file: string) => number,
  actionsScale: readonly number[],
): Promise<void> {
  const expected = async (file: string): Promise<Float32Array> => (await readNpy(files, file)).data as Float32Array;
  report.exact('input_ids', sequence.inputIds, (await readNpy(files, 'input_ids.npy')).data);
  report.floats(
    'velocities',
    outputs['velocities']!.data,
    await expected('velocities.npy'),
    tolerance('velocities.npy'),
  );
  report.floats(
    'actions_normalised',
    result.normalized,
    await expected('actions_normalised.npy'),
    tolerance('actions_normalised.npy'),
  );
  // Relative to each column's scale.
  const scale = (values: ArrayLike<number>): number[] =>
    Array.from(values, (value, i) => value / (actionsScale[i % actionsScale.length] ?? 1));
  report.floats(
    'actions / scale',
    scale(result.chunk.steps.flat()),
    scale(await expected('actions.npy')),
    ACTION_TOLERANCE,
  );
}

/** Every file of intermediate values that a query has. */
async function compareStages(
  report: CaseReport,
  model: Model,
  files: string,
  names: readonly string[],
  tolerance: (file: string) => number,
  { outputs, sequence }: ModelRun,
): Promise<void> {
  const { architecture, policy } = model.bundle.description;
  const expert = architecture.actionExpert!;
  const values = (name: string): Float32Array => outputs[name]!.data as Float32Array;
  const partOf = (data: Float32Array, parts: number, part: number): Float32Array => {
    const size = data.length / parts;
    return data.subarray(part * size, (part + 1) * size);
  };
  for (const file of names) {
    const stage = file.replace(/\.npy$/, '');
    const { data, shape } = await readNpy(files, file);
    const compare = (actual: ArrayLike<number>): void => {
      report.floats(stage, actual, data, tolerance(file));
    };
    /** The first image's rows of a table of all images. */
    const firstImage = (name: string): void => {
      compare(values(name).subarray(0, data.length));
    };
    const [, patchImage] = /^patches_image(\d+)$/.exec(stage) ?? [];
    const [, stepped, step] = /^(.*)_step(\d+)$/.exec(stage) ?? [];
    if (stage === 'state_normalised')
      compare(normalize((await readNpy(files, 'state.npy')).data as Float32Array, policy!.state));
    else if (stage === 'token_pooling') report.exact(stage, sequence.tokenPooling, data);
    else if (patchImage !== undefined) {
      const pixels = outputs['pixels']!.data as Uint8Array;
      const size = shape[0]! * shape[1]!;
      report.exact(stage, pixels.subarray(Number(patchImage) * size, (Number(patchImage) + 1) * size), data);
    } else if (stage === 'vit_features_image0') firstImage('vit_features');
    else if (stage === 'pooled_image0') firstImage('pooled_features');
    else if (stepped === 'sinusoid')
      compare(partOf(timeSinusoids(expert.flowSteps, expert.timeWidth), expert.flowSteps, Number(step)));
    else if (stepped === 'time_embedding') compare(partOf(values('time_embeddings'), expert.flowSteps, Number(step)));
    else if (stepped !== undefined) compare(partOf(values(stepped), expert.flowSteps, Number(step)));
    else if (DECISION_FILES.has(stage)) continue;
    else if (stage in outputs) compare(values(stage));
    else report.note(stage, 'skipped', 'nothing here corresponds to this file');
  }
}

/** Inputs, and what `compareDecision` looks at. */
const DECISION_FILES = new Set(['state', 'noise', 'input_ids', 'velocities', 'actions_normalised', 'actions']);
