import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { evaluatePredictions } from '../../src/evaluation/predictions.js';
import { VideoReader } from '../../src/recordings/video/video-reader.js';
import { decodeColorFile } from '../../src/sensing/color-image.js';
import { decodeNpy } from '../../src/tensors/npy.js';
import { NpzFile } from '../../src/tensors/npz.js';
import { readSafetensors } from '../../src/tensors/safetensors.js';
import { loadTensor } from '../../src/tensors/stored-tensor.js';
import { readTorchFile } from '../../src/tensors/torch-file.js';
import { describeShared } from '../golden/shared.js';
import { infoOf, report } from './stranger.js';

/** What the reports' README asks of a hostile file. */
const MOST_MS = 1000;
const MOST_MB = 300;

/** The highest that memory ever was can only grow: its growth bounds what the reading took. */
async function bounded(read: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const before = process.resourceUsage().maxRSS;
  await read();
  expect(performance.now() - start).toBeLessThan(MOST_MS);
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(MOST_MB);
}

async function loadAll(file: string): Promise<void> {
  for (const tensor of (await readTorchFile(file)).values()) await loadTensor(tensor);
}

describeShared('files of strangers', 'real/reports', () => {
  it.each(['bt601', 'bt709', 'untagged'])(
    'a video tagged %s has the colours that were encoded, within 4 levels',
    (tag) => {
      const video = VideoReader.open(report(`12-video/c_${tag}.mp4`));
      const picture = video.next();
      video.close();
      const stripes = [
        [220, 40, 30],
        [30, 200, 60],
        [40, 60, 220],
        [200, 200, 40],
      ];
      const { width, height, data } = picture!;
      stripes.forEach((color, stripe) => {
        const at = ((height >> 1) * width + stripe * 16 + 8) * 3;
        color.forEach((level, c) => {
          expect(Math.abs(data[at + c]! - level)).toBeLessThanOrEqual(4);
        });
      });
    },
  );
  it.each(['intrinsics_K', 'points_2d_at_t0', 'points_3d_history'])(
    '%s.pt of an old torch is refused by its format',
    async (name) => {
      await expect(readTorchFile(report(`14-legacy-torch/${name}.pt`))).rejects.toMatchObject({
        code: 'torch.format',
        message: expect.stringContaining('before version 1.6'),
        remedy: expect.stringContaining('torch.save of torch 1.6 or newer'),
      });
    },
  );
  it.each(['f8', 'i8_u16'])('tensors beside those of %s.safetensors are read', async (name) => {
    const tensors = [...(await readSafetensors(report(`15-safetensors/${name}.safetensors`))).values()];
    const float = tensors.find(({ dtype }) => dtype === 'f4')!;
    expect((await loadTensor(float)).data).toHaveLength(float.shape.reduce((product, n) => product * n, 1));
    expect(tensors.length).toBeGreaterThan(1);
  });
  it.each(['p3.png', 'p3.jpg', 'cmyk.jpg'])('the picture %s decodes to three channels', async (name) => {
    const picture = await decodeColorFile(await readFile(report('21-images', name)), name);
    expect(picture.data).toHaveLength(picture.width * picture.height * 3);
  });
  it("predictions are read as the reference's json reads them", async () => {
    const ade = async (name: string): Promise<number | null> =>
      evaluatePredictions(await readFile(report(`24-predictions/${name}.jsonl`), 'utf8'), 'released').pooled.ADE;
    const plain = await ade('bom_crlf');
    expect(plain).toBeGreaterThan(0);
    // Truth that is NaN where nobody saw the point is not scored, so the figure is that of the same rows with numbers.
    expect(await ade('gt_nan_invisible')).toBe(plain);
    // A prediction that is no number has no error: as in the reference, the mean over it is none either.
    expect(await ade('pred_nan')).toBeNaN();
  });
  it.each(['v3', 'with_object'])('the arrays of %s.npz that are needed are read', async (name) => {
    const npz = new NpzFile(await readFile(report(`28-npz/${name}.npz`)));
    for (const needed of ['points_3d', 'visibility']) expect(npz.get(needed).shape.length).toBeGreaterThan(1);
  });
});

describeShared('hostile files', 'real/reports/30-hostile', () => {
  const hostile = (name: string): string => report('30-hostile', name);

  it.each(['cyclic-dict', 'cyclic', 'deep', 'float-shape', 'laughs', 'nan-offset', 'neg-offset', 'neg-shape'])(
    '%s.pt is refused at once',
    async (name) => {
      await bounded(() =>
        expect(loadAll(hostile(`${name}.pt`))).rejects.toMatchObject({
          code: expect.stringMatching(/^(torch|tensor)\./),
        }),
      );
    },
  );
  it.each(['float', 'neg'])('%s.npy is refused at once', async (name) => {
    const bytes = await readFile(hostile(`${name}.npy`));
    await bounded(() => {
      expect(() => decodeNpy(bytes)).toThrow(/is not the shape of an array/);
      return Promise.resolve();
    });
  });
  it.each(['m-bz2bomb', 'm-rvl', 'm-svg'])('%s.mcap is refused at once', async (name) => {
    await bounded(async () => {
      const { problems } = await infoOf(hostile(`${name}.mcap`)).catch((error: unknown) => ({
        problems: [{ kind: 'problem', message: String(error) }],
      }));
      expect(problems.filter(({ kind }) => kind === 'problem')).not.toHaveLength(0);
    });
  });
});
