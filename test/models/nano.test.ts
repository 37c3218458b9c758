import { expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { normalNumbers, seededRandom } from '../../src/core/random.js';
import { forecastPrompt } from '../../src/forecasting/prompt.js';
import { Model } from '../../src/inference/model.js';
import { AnswerModel, FlowModel, PolicyModel } from '../../src/inference/networks.js';
import { ActionExpertPolicy } from '../../src/planning/action-expert-policy.js';
import { decodeColorFile } from '../../src/sensing/color-image.js';

// The first pictures of training's validation episode of seed 20, and what the shipped bundles answered when they were made, on an x86-64 CPU
// (onnxruntime 1.27). A bundle that was changed, or a graph that computes something else, is found here. Written anew with RECORD=1.
const HERE = path.join('test', 'models');
const ANSWERS = path.join(HERE, 'nano-answers.json');
// float32 on another CPU, through ten steps of Euler's method.
const TOLERANCE = 1e-3;
const INSTRUCTION = 'Put the yellow ball in the blue bowl';

const picture = async (name: string) => decodeColorFile(await readFile(path.join(HERE, `${name}.png`)), name);
const noise = (length: number) => normalNumbers(length, seededRandom(7));

/** Eight points in front of the camera, 0.01 m apart. */
const HISTORY = [Array.from({ length: 8 }, (_, p) => [0.01 * (p % 2), 0.01 * Math.floor(p / 2), 0.7] as const)];

async function recorded(key: string, answer: unknown): Promise<unknown> {
  const answers = JSON.parse(await readFile(ANSWERS, 'utf8')) as Record<string, unknown>;
  if (process.env['RECORD']) await writeFile(ANSWERS, `${JSON.stringify({ ...answers, [key]: answer })}\n`);
  else if (!(key in answers)) throw new Error(`no answer of ${key} is recorded`);
  return answers[key] ?? answer;
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(TOLERANCE);
}

const rounded = (values: Iterable<number>) => [...values].map((value) => Number(value.toFixed(5)));

it('nano-flow forecasts what it forecast', async () => {
  const model = await Model.open('models/nano-flow', 'forecast', { provider: 'cpu' });
  try {
    const network = new FlowModel(model);
    expect(model.bundle.description.stepS).toBe(0.25);
    const question = forecastPrompt({ caption: INSTRUCTION, history: HISTORY, horizon: 8 });
    const anchor = HISTORY[0]![0]!;
    const history = Float32Array.from(
      HISTORY[0]!.flatMap((point) => point.map((value, axis) => value - anchor[axis]!)),
    );
    const { trajectory } = await network.integrate(
      [await picture('exo_camera_1')],
      question,
      history,
      noise(8 * 8 * 3),
    );
    const answer = rounded(trajectory);
    expectClose(answer, (await recorded('nano-flow', answer)) as number[]);
  } finally {
    await model.close();
  }
});

it('nano-policy acts as it acted', async () => {
  const model = await Model.open('models/nano-policy', 'policy', { provider: 'cpu' });
  try {
    const policy = new ActionExpertPolicy(new PolicyModel(model));
    const { normalized } = await policy.plan(
      {
        stamp: 0n,
        images: [await picture('exo_camera_1'), await picture('wrist_camera')],
        instruction: INSTRUCTION,
        state: [0, -0.6, 0, -2.3, 0, 1.75, 0.785, 0],
      },
      noise(policy.noiseLength),
    );
    const answer = rounded(normalized);
    expectClose(answer, (await recorded('nano-policy', answer)) as number[]);
  } finally {
    await model.close();
  }
});

it.each(['nano-pointing', 'nano-words'] as const)('%s says what it said', async (name) => {
  const isPointing = name === 'nano-pointing';
  const model = await Model.open(`models/${name}`, isPointing ? 'pointing' : 'forecast', { provider: 'cpu' });
  try {
    const question = isPointing
      ? 'Point to the yellow ball'
      : forecastPrompt({ caption: INSTRUCTION, history: HISTORY, horizon: 8 });
    // The first tokens of a forecast in words: the whole takes seconds.
    const { text } = await new AnswerModel(model).answer([await picture('exo_camera_1')], question, 60);
    expect(text).toBe(await recorded(name, text));
  } finally {
    await model.close();
  }
});
