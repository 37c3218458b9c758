import { existsSync, readdirSync } from 'node:fs';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readSafetensors, readSafetensorsFolder } from '../../src/tensors/safetensors.js';
import { loadTensor } from '../../src/tensors/stored-tensor.js';
import { readTorchFile } from '../../src/tensors/torch-file.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

describeShared('checkpoints of the reference', 'golden/motion', () => {
  const cases = existsSync(sharedPath('golden/motion'))
    ? readdirSync(sharedPath('golden/motion')).filter((name) =>
        existsSync(sharedPath('golden/motion', name, 'weights-manifest.json')),
      )
    : [];
  it.each(cases)('%s: every tensor by name, shape, type and sum', async (name) => {
    const manifest = sharedJson<any>('golden/motion', name, 'weights-manifest.json');
    const folder = sharedPath('golden/motion', name, 'checkpoint');
    const native = existsSync(path.join(folder, 'model.pt'));
    const tensors = native ? await readTorchFile(path.join(folder, 'model.pt')) : await readSafetensorsFolder(folder);
    expect([...tensors.keys()].sort()).toEqual(manifest.map((m: any) => m.name).sort());
    for (const m of manifest) {
      const stored = tensors.get(m.name)!;
      expect([m.name, stored.shape]).toEqual([m.name, m.shape]);
      if (m.shard) expect(path.basename(stored.file)).toBe(m.shard);
      const data = (await loadTensor(stored)).data as Float32Array;
      const sum = data.reduce((a, b) => a + b, 0);
      const absolute = data.reduce((a, b) => a + Math.abs(b), 0);
      expect(Math.abs(sum - m.sum)).toBeLessThan(1e-6 * (1 + m.abs_sum));
      expect(Math.abs(absolute - m.abs_sum)).toBeLessThan(1e-6 * (1 + m.abs_sum));
    }
    expect(manifest.length).toBeGreaterThan(10);
  });

  it.each(['float16-storage', 'bfloat16-storage'])(
    'a policy checkpoint in %s has finite numbers of both signs',
    async (name) => {
      const tensors = await readTorchFile(sharedPath('golden/bot/variants', name, 'checkpoint/model.pt'));
      const half = [...tensors.values()].filter((t) => ['f2', 'bf16'].includes(t.dtype));
      expect(half.length).toBeGreaterThan(10);
      const { data } = await loadTensor(half.find((t) => t.bytes > 200)!);
      const values = Array.from(data as Float32Array);
      expect(values.every(Number.isFinite)).toBe(true);
      expect([values.some((v) => v > 0), Math.max(...values.map(Math.abs)) < 100]).toEqual([true, true]);
    },
  );
});

describe('a safetensors file', () => {
  it('is refused with the tensor that does not fit', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'st-'));
    const file = path.join(folder, 'x.safetensors');
    const write = (header: unknown, data: number): Promise<void> => {
      const text = Buffer.from(JSON.stringify(header));
      const head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt(text.length));
      return writeFile(file, Buffer.concat([head, text, Buffer.alloc(data)]));
    };
    await write({ w: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] } }, 16);
    expect((await readSafetensors(file)).get('w')).toMatchObject({ dtype: 'f4', bytes: 16 });
    await write({ w: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] } }, 12);
    await expect(readSafetensors(file)).rejects.toThrow('w of shape (2, 2) does not lie in bytes 0 to 16 of 12');
    await write({ w: { dtype: 'F8', shape: [1], data_offsets: [0, 1] } }, 1);
    const { w } = Object.fromEntries(await readSafetensors(file));
    await expect(loadTensor(w!)).rejects.toThrow('of type F8, which cannot be read');
    await writeFile(file, Buffer.alloc(4));
    await expect(readSafetensors(file)).rejects.toThrow('does not fit');
    await rm(folder, { recursive: true });
  });
});
