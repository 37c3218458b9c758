import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildBundle, type BuildOptions } from '../../src/builder/build.js';
import { PlannerError } from '../../src/core/errors.js';
import { seededRandom } from '../../src/core/random.js';
import { encode, nativeConfig, randomWeights, writeCheckpoint, writeParts } from './made-checkpoint.js';
import { SMALL_ARCHITECTURE, SMALL_POLICY } from './small-policy.js';
import type { MadeTensor } from './torch-writer.js';
import { describeShared, sharedPath } from '../golden/shared.js';

let folder: string;
let checkpoint: string;
let out: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'checkpoints-'));
});
beforeEach(() => {
  checkpoint = path.join(folder, 'checkpoint');
  out = path.join(folder, 'bundle');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const weights = randomWeights(SMALL_ARCHITECTURE, seededRandom(3), 'f4');

/** The small policy's tensors, changed. */
async function write(change: (tensors: Map<string, MadeTensor>) => void = () => undefined): Promise<void> {
  const tensors = new Map(
    [...weights].map(([name, { shape, data }]): [string, MadeTensor] => [
      name,
      { shape, type: 'f4', bytes: encode(data, 'f4') },
    ]),
  );
  change(tensors);
  await rm(checkpoint, { recursive: true, force: true });
  await writeParts(checkpoint, SMALL_POLICY, tensors);
}

async function writeConfig(change: (model: Record<string, Record<string, unknown>>) => void): Promise<void> {
  const config = structuredClone(nativeConfig(SMALL_POLICY)) as { model: Record<string, Record<string, unknown>> };
  change(config.model);
  await writeFile(path.join(checkpoint, 'config.yaml'), JSON.stringify(config));
}

function build(options: Partial<BuildOptions> = {}): ReturnType<typeof buildBundle> {
  return buildBundle({ checkpoint, task: 'policy', out, type: 'fp32', builtBy: 'test', ...options });
}

/** One typed error with a remedy, and nothing left behind. */
async function refused(code: string, message: RegExp, options: Partial<BuildOptions> = {}): Promise<void> {
  await rm(out, { recursive: true, force: true });
  const error = await build(options).then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(PlannerError);
  const { code: found, message: text, remedy } = error as PlannerError;
  expect([found, text]).toEqual([code, expect.stringMatching(message)]);
  expect(remedy).not.toBe('');
  expect((await readdir(folder)).filter((name) => name.startsWith('bundle'))).toEqual([]);
}

describe('a checkpoint that cannot be used is refused by name', () => {
  it('a missing tensor', async () => {
    await write((tensors) => tensors.delete('action_expert.blocks.1.attn2.q_proj.weight'));
    await refused('checkpoint.tensor', /action_expert\.blocks\.1\.attn2\.q_proj\.weight \(16, 16\) is missing/);
  });
  it('a tensor too many', async () => {
    await write((tensors) => tensors.set('transformer.blocks.9.surprise', { shape: [2], type: 'f4' }));
    await refused('checkpoint.tensor', /transformer\.blocks\.9\.surprise/);
  });
  it('a misshapen tensor', async () => {
    await write((tensors) => tensors.set('transformer.ln_f.weight', { shape: [63], type: 'f4' }));
    await refused('checkpoint.tensor', /transformer\.ln_f\.weight is \(63\), but the configuration makes it \(64\)/);
  });
  it.each([
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('%s in a weight, whether used in place or converted', async (_, value) => {
    const name = 'transformer.blocks.0.ff_out.weight';
    for (const type of ['f4', 'bf16'] as const) {
      await write((tensors) => {
        for (const [key, { shape, data }] of weights) {
          const values = Float32Array.from(data);
          if (key === name) values[5] = value;
          const kept = type === 'f4' ? values : values.map((x) => (Number.isFinite(x) ? 0.5 : x));
          tensors.set(key, { shape, type, bytes: encode(kept, type) });
        }
      });
      await refused('checkpoint.weight', /transformer\.blocks\.0\.ff_out\.weight/);
    }
  });
  it('model.pt that is cut off', async () => {
    await write();
    const file = path.join(checkpoint, 'model.pt');
    await truncate(file, (await stat(file)).size - 1000);
    await refused('zip.format', /model\.pt/);
  });
  it('an option with a value that is not known', async () => {
    await write();
    await writeConfig((model) => {
      model['llm']!['rope_type'] = 'yarn';
    });
    await refused('checkpoint.option', /model\.llm\.rope_type = "yarn"/);
  });
  it('an option that is not known, unless it is off', async () => {
    await write();
    await writeConfig((model) => {
      model['llm']!['attention_sinks'] = 4;
    });
    await refused('checkpoint.option', /model\.llm\.attention_sinks/);
    await writeConfig((model) => {
      model['llm']!['attention_sinks'] = false;
    });
    await build();
  });
  it('config.yaml of something else', async () => {
    await write();
    await writeFile(path.join(checkpoint, 'config.yaml'), 'just: a file');
    await refused('checkpoint.config', /no section model/);
  });
  it('a folder of something else, and a training checkpoint in shards', async () => {
    await refused('checkpoint.none', /neither config\.yaml/, { checkpoint: folder });
    await write();
    await rm(path.join(checkpoint, 'model.pt'));
    await mkdir(path.join(checkpoint, 'model_and_optim'));
    await refused('checkpoint.none', /sharded training checkpoint/);
  });
  it('a checkpoint for another task', async () => {
    await write();
    await refused('checkpoint.option', /model_name = "molmobot".*forecast bundle/, { task: 'forecast' });
  });
  it('no tokenizer, a broken one, and one that is too large', async () => {
    await write();
    await refused('build.tokenizer', /holds no tokenizer\.json.*made-up/, { tokenizer: folder });
    const file = path.join(checkpoint, 'tokenizer.json');
    const json = await readFile(file, 'utf8');
    await writeFile(file, '{"model": 3}');
    await refused('tokenizer.format', /tokenizer\.json/);
    await writeFile(file, json.replace('"id":258', '"id":999'));
    await refused('tokenizer.size', /1000 tokens, more than the 264/);
    await writeFile(file, json);
    await writeFile(path.join(checkpoint, 'tokenizer_config.json'), '{');
    await refused('tokenizer.config', /tokenizer_config\.json cannot be read/);
  });
  it('a target that is something else', async () => {
    await write();
    await mkdir(out, { recursive: true });
    await appendFile(path.join(out, 'thesis.tex'), 'mine');
    await expect(build()).rejects.toMatchObject({ code: 'build.out' });
    expect(await readFile(path.join(out, 'thesis.tex'), 'utf8')).toBe('mine');
    await rm(out, { recursive: true });
  });
});

describe('a bundle', () => {
  it('uses weights of the right type in place, as a hard link', async () => {
    await write();
    const { weights: files } = await build();
    expect(files.map(({ file }) => file)).toEqual(['model.pt']);
    expect((await stat(path.join(out, 'model.pt'))).ino).toBe((await stat(path.join(checkpoint, 'model.pt'))).ino);
  });
  it('replaces the bundle before it, and is whole or not there', async () => {
    await write();
    await build();
    const cancelled = new AbortController();
    cancelled.abort();
    await expect(build({ signal: cancelled.signal, type: 'fp16' })).rejects.toThrow();
    expect(existsSync(path.join(out, 'bundle.yaml'))).toBe(true);
    expect(await readdir(folder)).not.toContain('bundle.partial');
    const { type } = await build({ type: 'fp16' });
    expect(type).toBe('fp16');
  });
  it('tells how far it is', async () => {
    await writeCheckpoint(checkpoint, SMALL_POLICY, randomWeights(SMALL_ARCHITECTURE, seededRandom(4), 'bf16'), 'bf16');
    const told: [number, number][] = [];
    await build({ onProgress: (done, total) => told.push([done, total]) });
    const [done, total] = told.at(-1)!;
    expect(done).toBe(total);
    expect(told.length).toBeGreaterThan(1);
  });
});

describeShared('Hugging Face checkpoints that cannot be used', 'golden/motion/hf-h1', () => {
  const copy = async (): Promise<void> => {
    await rm(checkpoint, { recursive: true, force: true });
    await cp(sharedPath('golden', 'motion', 'hf-h1', 'checkpoint'), checkpoint, { recursive: true, mode: 0 });
  };
  const shards = async (): Promise<string[]> =>
    (await readdir(checkpoint)).filter((name) => name.endsWith('.safetensors')).sort();
  it('a shard that is cut off', async () => {
    await copy();
    const shard = path.join(checkpoint, (await shards()).at(-1)!);
    const bytes = await readFile(shard);
    await rm(shard);
    await writeFile(shard, bytes.subarray(0, bytes.length - 64));
    await refused('safetensors.format', /safetensors/, { task: 'forecast' });
  });
  it.each([
    ['processor_config.json', 'use_frame_special_tokens', false],
    ['processor_config.json', 'video_use_col_tokens', true],
    ['video_preprocessor_config.json', 'resample', 3],
  ])('%s with %s = %s, which makes another prompt', async (name, option, value) => {
    await copy();
    const file = path.join(checkpoint, name);
    const data = JSON.parse(await readFile(file, 'utf8')) as object;
    await rm(file);
    await writeFile(file, JSON.stringify({ ...data, [option]: value }));
    await refused('checkpoint.option', new RegExp(`${option} = ${String(value)}`), { task: 'forecast' });
  });
  it('an index that names a shard that is not there', async () => {
    await copy();
    const index = path.join(checkpoint, 'model.safetensors.index.json');
    const text = await readFile(index, 'utf8');
    await rm(index);
    await writeFile(index, text.replaceAll((await shards())[0]!, 'model-99999-of-00002.safetensors'));
    await refused('safetensors.format', /model-99999-of-00002\.safetensors/, { task: 'forecast' });
  });
});
