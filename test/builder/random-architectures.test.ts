import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildBundle } from '../../src/builder/build.js';
import type { Task } from '../../src/builder/checkpoint/description.js';
import { normalNumbers, seededRandom } from '../../src/core/random.js';
import { chatText } from '../../src/forecasting/prompt.js';
import { floatValue, intValue, Model, type ModelRun } from '../../src/inference/model.js';
import type { TensorValues } from '../../src/inference/worker-messages.js';
import { randomWeights, writeCheckpoint } from './made-checkpoint.js';
import { matrix, type Matrix } from './plain-matrix.js';
import { PlainModel } from './plain-model.js';
import { randomCase, type Head, type RandomCase } from './random-models.js';

/** Graphs of random architectures against the formulas in plain loops. Pixels up to the patches are held to the goldens elsewhere. */

const RUNS = 20;
const MAX_NEW_TOKENS = 4;
/** float32 graphs against float64 loops: a few of float32's units at the size of the values. */
const TOLERANCE = 2e-4;
/** Where two words are as near as this, rounding may choose the other. */
const TIE = 1e-2;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'random-architectures-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('policies', () => holds('policy', 'policy', comparePolicy), 120_000);
it('forecasts in tokens, of frames', () => holds('answer', 'forecast', compareAnswer), 120_000);
it('answers in tokens, of images', () => holds('answer', 'pointing', compareAnswer), 120_000);
it('flow-matching forecasts', () => holds('flow', 'forecast', compareFlow), 120_000);

type Compare = (made: RandomCase, model: Model, plain: PlainModel) => Promise<void>;

async function holds(head: Head, task: Task, compare: Compare): Promise<void> {
  const kind = task === 'forecast' ? 'frames' : 'images';
  await fc.assert(
    fc.asyncProperty(
      randomCase(head).filter(({ model }) => model.input.kind === kind),
      async (made) => {
        const weights = randomWeights(made.model.architecture, seededRandom(made.seed), made.stored);
        const checkpoint = path.join(folder, 'checkpoint');
        await rm(checkpoint, { recursive: true, force: true });
        await writeCheckpoint(checkpoint, made.model, weights, made.stored);
        const out = path.join(folder, 'bundle');
        const { architecture, tokens } = await buildBundle({ checkpoint, task, out, type: 'fp32', builtBy: 'test' });
        // What was read is what was written.
        expect(architecture).toEqual(made.model.architecture);
        const model = await Model.open(out, task, { provider: 'cpu', threads: 1, trace: true });
        try {
          await compare(made, model, new PlainModel(architecture, weights, tokens));
        } finally {
          await model.close();
        }
      },
    ),
    { numRuns: RUNS, seed: 7 },
  );
}

/** Asks the model, and holds the parts up to the decoder's states to the formulas. */
async function ask(
  made: RandomCase,
  model: Model,
  plain: PlainModel,
  extra: TensorValues,
): Promise<ModelRun & { readonly hidden: Matrix[]; readonly imageFeatures: Matrix }> {
  const { style } = model.bundle.description.prompt;
  const run = await model.run(made.images, chatText(made.question, style), () => extra);
  const { inputIds, tokenPooling, window } = run.sequence;
  const patches = run.outputs['patches']!;
  const [crops, count, values] = patches.dims as [number, number, number];
  const features = plain.visionFeatures(matrix(crops * count, values, patches.data as Float32Array));
  close(run, 'vit_features', features.data);
  const imageFeatures = plain.imageFeatures(features, tokenPooling, window);
  close(run, 'image_features', imageFeatures.data);
  const hidden = plain.hiddenStates(inputIds, imageFeatures);
  hidden.forEach((state, i) => {
    close(run, `hidden_${i}`, state.data);
  });
  return { ...run, hidden, imageFeatures };
}

async function comparePolicy(made: RandomCase, model: Model, plain: PlainModel): Promise<void> {
  const { horizon, actionSize, stateSize } = made.model.architecture.actionExpert!;
  const noise = normalNumbers(horizon * actionSize, seededRandom(made.seed));
  const state = normalNumbers(stateSize, seededRandom(made.seed + 1));
  const run = await ask(made, model, plain, {
    state: floatValue(state.slice(), [1, stateSize]),
    noise: floatValue(noise.slice(), [1, horizon, actionSize]),
  });
  close(run, 'actions', plain.actions(run.hidden, [...state], noise));
}

async function compareFlow(made: RandomCase, model: Model, plain: PlainModel): Promise<void> {
  const { points, history, horizon } = made.model.architecture.trajectoryExpert!;
  const past = normalNumbers(points * history * 3, seededRandom(made.seed)).map((value) => value / 10);
  const noise = normalNumbers(points * horizon * 3, seededRandom(made.seed + 1));
  const run = await ask(made, model, plain, {
    history: floatValue(past.slice(), [points, history, 3]),
    noise: floatValue(noise.slice(), [points, horizon, 3]),
  });
  close(run, 'trajectory', plain.trajectory(run.hidden, past, noise));
}

async function compareAnswer(made: RandomCase, model: Model, plain: PlainModel): Promise<void> {
  const run = await ask(made, model, plain, { max_new_tokens: intValue([MAX_NEW_TOKENS], []) });
  const { tokens, logits } = plain.answer(run.sequence.inputIds, run.imageFeatures, MAX_NEW_TOKENS);
  const found = [...(run.outputs['tokens']!.data as BigInt64Array)].map(Number);
  const { data, dims } = run.outputs['logits']!;
  const width = dims[1]!;
  for (const [step, scores] of logits.entries()) {
    differ(`logits of step ${step}`, (data as Float32Array).subarray(step * width, (step + 1) * width), scores);
    const [first, second] = [...scores].sort((a, b) => b - a) as [number, number];
    // The rest of the answer may be another one.
    if (first - second < TIE && found[step] !== tokens[step]) return;
    expect(found[step]).toBe(tokens[step]);
  }
  expect(found).toHaveLength(tokens.length);
}

function close(run: ModelRun, name: string, expected: ArrayLike<number>): void {
  differ(name, run.outputs[name]!.data as Float32Array, expected);
}

function differ(name: string, found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect([name, found.length]).toEqual([name, expected.length]);
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const worst = Array.from(expected).reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
  if (!(worst <= TOLERANCE * largest)) throw new Error(`${name} is off by ${worst}, at values up to ${largest}`);
}
