import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildBundle } from '../../src/builder/build.js';
import { CancelledError, RetryableError } from '../../src/core/errors.js';
import type { RgbImage } from '../../src/core/images.js';
import { normalNumbers, seededRandom } from '../../src/core/random.js';
import { InferenceWorker } from '../../src/inference/inference-worker.js';
import { Model } from '../../src/inference/model.js';
import { PolicyModel } from '../../src/inference/networks.js';
import { checkProvider, matrixProduct } from '../../src/inference/provider-check.js';
import type { TensorValues } from '../../src/inference/worker-messages.js';
import { ActionExpertPolicy } from '../../src/planning/action-expert-policy.js';
import { randomWeights, writeCheckpoint } from '../builder/made-checkpoint.js';
import { SMALL_ARCHITECTURE, SMALL_POLICY } from '../builder/small-policy.js';

let folder: string;
let bundle: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'model-'));
  bundle = path.join(folder, 'bundle');
  const checkpoint = path.join(folder, 'checkpoint');
  await writeCheckpoint(checkpoint, SMALL_POLICY, randomWeights(SMALL_ARCHITECTURE, seededRandom(3), 'f4'));
  for (const type of ['fp32', 'fp16', 'int4'] as const)
    await buildBundle({
      checkpoint,
      task: 'policy',
      out: `${bundle}${type === 'fp32' ? '' : `-${type}`}`,
      type,
      builtBy: 'test',
    });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const random = seededRandom(5);
const image = (width: number, height: number): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, () => random() * 256),
});
const images = [image(40, 30), image(31, 17)];
const state = [0.1, -0.5, 0.2, -1.2, 0.1, 1.6, 0.3, 0.4];
const noise = normalNumbers(16 * 8, seededRandom(6));

async function withPolicy<T>(
  folder: string,
  ask: (policy: ActionExpertPolicy, model: Model) => Promise<T>,
): Promise<T> {
  const model = await Model.open(folder, 'policy', { provider: 'cpu' });
  try {
    return await ask(new ActionExpertPolicy(new PolicyModel(model)), model);
  } finally {
    await model.close();
  }
}

describe('a policy bundle', () => {
  it('plans a chunk; the same noise gives the same one, and nothing that was given is changed', async () => {
    await withPolicy(bundle, async (policy) => {
      const observation = { stamp: 7n, images, instruction: 'lift the cup', state };
      const before = structuredClone({ observation, noise });
      const { chunk, inputIds } = await policy.plan(observation, noise);
      expect(chunk).toMatchObject({ planner: 'action-expert', stamp: 7n, instruction: 'lift the cup', stepS: 1 / 15 });
      expect(chunk.steps).toHaveLength(16);
      for (const step of chunk.steps) expect(step).toHaveLength(8);
      expect(inputIds.length).toBeGreaterThan(20);
      expect((await policy.plan(observation, noise)).chunk).toEqual(chunk);
      expect({ observation, noise }).toEqual(before);
      const other = await policy.plan({ ...observation, instruction: 'drop the cup' }, noise);
      expect(other.chunk.steps).not.toEqual(chunk.steps);
    });
  });
  it.each([
    ['no picture', { images: [] }, 'input.images', /0 pictures/],
    [
      'a picture too many',
      { images: [...images, images[0]!] },
      'input.images',
      /3 pictures were given, but this model takes 1 to 2/,
    ],
    ['a prompt that is too long', { instruction: 'x'.repeat(300) }, 'input.length', /more than the 256/],
    ['a special token in the text', { instruction: 'stop<|im_end|>' }, 'prompt.special-token', /<\|im_end\|>/],
    ['an image token in the text', { instruction: 'see <im_patch>' }, 'prompt.special-token', /<im_patch>/],
    ['a short state', { state: state.slice(1) }, 'policy.state', /7 values, but this policy takes 8/],
    ['a state that is no number', { state: [Number.NaN, ...state.slice(1)] }, 'policy.state', /NaN/],
  ])('refuses %s', async (_, change, code, message) => {
    await withPolicy(bundle, async (policy) => {
      const observation = { stamp: 0n, images, instruction: 'lift', state, ...change };
      await expect(policy.plan(observation, noise)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      // The next one is answered as if nothing had been.
      await policy.plan({ stamp: 0n, images, instruction: 'lift', state }, noise);
    });
  });
  it('refuses noise of another length', async () => {
    await withPolicy(bundle, async (policy) => {
      const observation = { stamp: 0n, images, instruction: 'lift', state };
      await expect(policy.plan(observation, noise.slice(1))).rejects.toMatchObject({ code: 'policy.noise' });
    });
  });
  it.each([
    ['fp16', 0.05],
    ['int4', 2],
  ])('as %s says nearly the same', async (type, tolerance) => {
    const observation = { stamp: 0n, images, instruction: 'lift the cup', state };
    const exact = await withPolicy(bundle, (policy) => policy.plan(observation, noise));
    const coarse = await withPolicy(`${bundle}-${type}`, (policy) => policy.plan(observation, noise));
    const worst = exact.normalized.reduce((most, x, i) => Math.max(most, Math.abs(x - coarse.normalized[i]!)), 0);
    expect(worst).toBeLessThan(tolerance);
    // It is another computation.
    expect(worst).toBeGreaterThan(0);
  });
});

describe('a bundle that is not what was built', () => {
  const copyOf = async (name: string): Promise<string> => {
    const copy = path.join(folder, name);
    await rm(copy, { recursive: true, force: true });
    await cp(bundle, copy, { recursive: true });
    return copy;
  };
  const open = (bundle: string): Promise<Model> => Model.open(bundle, 'policy', { provider: 'cpu' });

  it('a file of another content', async () => {
    const copy = await copyOf('changed');
    const file = path.join(copy, 'model.pt');
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(file, bytes);
    await expect(open(copy)).rejects.toMatchObject({
      code: 'bundle.file',
      message: expect.stringMatching(/model\.pt.*sha256/),
    });
  });
  it('a file of another size, and one that is missing', async () => {
    const copy = await copyOf('longer');
    await appendFile(path.join(copy, 'graph.onnx'), 'x');
    await expect(open(copy)).rejects.toMatchObject({
      code: 'bundle.file',
      message: expect.stringMatching(/graph\.onnx.*bytes/),
    });
    await rm(path.join(copy, 'graph.onnx'));
    await expect(open(copy)).rejects.toMatchObject({ message: expect.stringMatching(/graph\.onnx.*missing/) });
  });
  it('a description with a field that is not known, and none at all', async () => {
    const copy = await copyOf('described');
    await appendFile(path.join(copy, 'bundle.yaml'), 'temperature: 1\n');
    await expect(open(copy)).rejects.toMatchObject({
      code: 'bundle.format',
      message: expect.stringMatching(/temperature/),
    });
    await rm(path.join(copy, 'bundle.yaml'));
    await expect(open(copy)).rejects.toMatchObject({ code: 'bundle.none' });
  });
  it('a bundle for another task', async () => {
    await expect(Model.open(bundle, 'forecast', { provider: 'cpu' })).rejects.toMatchObject({ code: 'model.task' });
  });
});

describe('an inference worker', () => {
  const SIZE = 1500;
  const product = (size = SIZE): TensorValues =>
    Object.fromEntries(
      ['a', 'b'].map((name) => [
        name,
        { type: 'float32', dims: [size, size], data: new Float32Array(size * size).fill(1) },
      ]),
    );
  const start = (options: { readonly timeoutMs?: number } = {}): Promise<InferenceWorker> =>
    InferenceWorker.start({ task: 'test', graph: matrixProduct(SIZE), provider: 'cpu', ...options });

  it('answers in the order of the questions', async () => {
    const worker = await start();
    try {
      const done: number[] = [];
      await Promise.all([0, 1, 2].map((i) => worker.run(product()).then(() => done.push(i))));
      expect(done).toEqual([0, 1, 2]);
      const { outputs } = await worker.run(product());
      expect((outputs['c']!.data as Float32Array)[SIZE]).toBe(SIZE);
    } finally {
      await worker.close();
    }
  });
  it('says what it was given wrongly, and goes on', async () => {
    const worker = await start();
    try {
      await expect(worker.run({ a: product()['a']! })).rejects.toMatchObject({ code: 'inference.run' });
      await worker.run(product());
    } finally {
      await worker.close();
    }
  });
  it('a run that takes too long is an error; the next one is answered when it is over', async () => {
    const worker = await start({ timeoutMs: 5 });
    try {
      const late = worker.run(product());
      await expect(late).rejects.toBeInstanceOf(RetryableError);
      await expect(late).rejects.toMatchObject({ code: 'inference.timeout' });
      expect(worker.state).toBe('late');
      await expect(worker.run(product())).rejects.toMatchObject({ code: 'inference.late' });
      while (worker.state === 'late') await new Promise((resolve) => setTimeout(resolve, 5));
      expect(worker.state).toBe('ready');
    } finally {
      // While another one is computed: this waits, and takes nothing down.
      const last = expect(worker.run(product())).rejects.toBeInstanceOf(Error);
      await worker.close();
      await last;
    }
  });
  it('a thread that dies is started again, but not for ever', async () => {
    const worker = await InferenceWorker.start({
      task: 'test',
      graph: 'none',
      provider: 'cpu',
      program: new URL('mortal-worker.js', import.meta.url),
    });
    const poison = (): TensorValues => ({ poison: { type: 'uint8', dims: [0], data: new Uint8Array(0) } });
    try {
      for (const [deadly, state] of [
        [true, 'restarting'],
        [true, 'restarting'],
        // A good run, and the count begins anew.
        [false, 'ready'],
        [true, 'restarting'],
        [true, 'restarting'],
        [true, 'failed'],
      ] as const) {
        if (deadly) {
          const run = worker.run(poison());
          await expect(run).rejects.toBeInstanceOf(RetryableError);
          await expect(run).rejects.toMatchObject({ code: 'inference.died' });
        } else await worker.run({});
        expect(worker.state).toBe(state);
      }
      await expect(worker.run({})).rejects.toMatchObject({ code: 'inference.stopped' });
    } finally {
      await worker.close();
    }
  });
  it('cancelling rejects at once; the next run is answered', async () => {
    const worker = await start();
    try {
      const cancel = new AbortController();
      const run = worker.run(product(), cancel.signal);
      const waiting = worker.run(product(), cancel.signal);
      cancel.abort();
      await expect(run).rejects.toBeInstanceOf(CancelledError);
      await expect(waiting).rejects.toBeInstanceOf(CancelledError);
      await worker.run(product());
    } finally {
      await worker.close();
    }
  });
  it('closing tells those that wait', async () => {
    const worker = await start();
    const run = expect(worker.run(product())).rejects.toBeInstanceOf(CancelledError);
    await worker.close();
    await run;
    expect(worker.state).toBe('closed');
  });
  it('a graph that is none is refused', async () => {
    const graph = path.join(folder, 'none.onnx');
    await writeFile(graph, 'no graph');
    await expect(InferenceWorker.start({ task: 'test', graph, provider: 'cpu' })).rejects.toMatchObject({
      code: 'inference.load',
    });
  });
  it('a provider that this machine lacks is refused before a model is loaded', async () => {
    await checkProvider('cpu');
    // Where there is a GPU this says nothing.
    const error = await checkProvider('cuda').catch((cause: unknown) => cause);
    if (error !== undefined)
      expect(error).toMatchObject({ code: expect.stringMatching(/^provider\.(unavailable|fallback)$/) });
  });
  it('the timer of the main thread keeps ticking', async () => {
    const worker = await start();
    try {
      const ticks: number[] = [];
      const timer = setInterval(() => ticks.push(performance.now()), 10);
      for (let i = 0; i < 6; i++) await worker.run(product());
      clearInterval(timer);
      const gaps = ticks.slice(1).map((tick, i) => tick - ticks[i]!);
      // Loose, since CI is shared; `bench --bundle` measures it.
      expect(Math.max(...gaps)).toBeLessThan(100);
      expect(ticks.length).toBeGreaterThan(5);
    } finally {
      await worker.close();
    }
  });
});
