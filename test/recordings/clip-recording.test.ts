import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { ClipRecording } from '../../src/recordings/clip-recording.js';
import { loadTensor } from '../../src/tensors/stored-tensor.js';
import { readTorchFile } from '../../src/tensors/torch-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clip-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What torch.save writes for one contiguous float tensor (protocol 2 pickle, stored zip). */
function torchFile(shape: readonly number[], values: readonly number[]): Uint8Array {
  const text = (s: string): number[] => [...Buffer.from(s)];
  const unicode = (s: string): number[] => [0x58, s.length, 0, 0, 0, ...text(s)];
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const tuple = (n: readonly number[]): number[] => [
    ...n.flatMap((v) => [0x4b, v]),
    [0x85, 0x86, 0x87][n.length - 1]!,
    0x71,
    6,
  ];
  const pickle = [
    0x80,
    2,
    ...text('ctorch._utils\n_rebuild_tensor_v2\n'),
    0x71,
    0,
    0x28,
    0x28,
    ...unicode('storage'),
    0x71,
    1,
    ...text('ctorch\nFloatStorage\n'),
    0x71,
    2,
    ...unicode('0'),
    ...unicode('cpu'),
    0x4b,
    values.length,
    0x74,
    0x71,
    5,
    0x51,
    0x4b,
    0,
    ...tuple(shape),
    ...tuple(strides),
    0x89,
    ...text('ccollections\nOrderedDict\n'),
    0x71,
    8,
    0x29,
    0x52,
    0x74,
    0x52,
    0x2e,
  ];
  return zipSync(
    { 'archive/data.pkl': Uint8Array.from(pickle), 'archive/data/0': new Uint8Array(Float32Array.from(values).buffer) },
    { level: 0 },
  );
}

describe('a published example folder', () => {
  it('is read from its tensors, caption and frames', async () => {
    const history = Array.from({ length: 3 * 2 * 3 }, (_, i) => i / 8);
    await writeFile(path.join(folder, 'points_3d_history.pt'), torchFile([3, 2, 3], history));
    await writeFile(path.join(folder, 'points_2d_at_t0.pt'), torchFile([2, 2], [1, 2, 3, 4]));
    await writeFile(path.join(folder, 'intrinsics_K.pt'), torchFile([3, 3], [50, 0, 16, 0, 50, 12, 0, 0, 1]));
    await writeFile(path.join(folder, 'caption.txt'), 'Lift the cup\n');
    await writeFile(path.join(folder, 'meta.json'), JSON.stringify({ id: 'x', video: 'v', point_indices: [4, 7] }));
    for (const name of ['frame_t-2.png', 'frame_t-1.png', 'frame_t+0.png']) {
      await sharp({ create: { width: 32, height: 24, channels: 3, background: 'red' } })
        .png()
        .toFile(path.join(folder, name));
    }
    const clip = await ClipRecording.open(folder);
    expect(clip.facts).toMatchObject({ caption: 'Lift the cup', video: 'v', pointIndices: [4, 7], fps: 15 });
    expect(clip.tracks.positions[1]![1]).toEqual([9 / 8, 10 / 8, 11 / 8]);
    expect(clip.tracks.pixels![2]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(clip.tracks.t0).toBe(2);
    const topics: string[] = [];
    for await (const { topic } of clip.messages()) topics.push(topic);
    expect(topics.filter((t) => t.endsWith('compressed'))).toHaveLength(3);
  });

  it('is refused where a tensor is none, or a pickle asks for more than tensors', async () => {
    const file = path.join(folder, 'x.pt');
    await writeFile(file, Uint8Array.of(1, 2, 3));
    await expect(readTorchFile(file)).rejects.toThrow('not a usable zip file');
    await writeFile(file, zipSync({ 'a/data.pkl': Buffer.from('cos\nsystem\n(S"true"\ntR.') }, { level: 0 }));
    await expect(readTorchFile(file)).rejects.toThrow('asks for os.system');
    await writeFile(file, zipSync({ 'a/data.pkl': Buffer.from('x'.repeat(500)) }, { level: 9 }));
    await expect(readTorchFile(file)).rejects.toThrow('is compressed');
    await writeFile(file, torchFile([3, 3], [1, 2, 3, 4]));
    await expect(loadTensor((await readTorchFile(file)).get('')!)).rejects.toThrow('missing or cut off');
  });
});
