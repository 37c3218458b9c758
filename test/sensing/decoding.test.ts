import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { CompressedImage, Image } from '../../src/bus/messages.js';
import { CameraModel } from '../../src/geometry/camera-model.js';
import { decodeColorImage } from '../../src/sensing/color-image.js';
import { decodeCompressedDepth } from '../../src/sensing/depth-image.js';
import { liftPixel } from '../../src/sensing/lifting.js';
import { ObservationWindow } from '../../src/sensing/observation-window.js';
import { decodeRvl } from '../../src/sensing/rvl.js';
import type { CameraFrame } from '../../src/core/observation.js';

const header = { stamp: { sec: 0, nanosec: 0 }, frame_id: 'c' };
const image = (encoding: string, width: number, height: number, step: number, data: number[]): Image => ({
  header,
  width,
  height,
  encoding,
  is_bigendian: 0,
  step,
  data: Uint8Array.from(data),
});

/** The encoder of Wilson's paper, written from its text, to check the decoder against. */
function encodeRvl(values: readonly number[]): Uint8Array {
  const nibbles: number[] = [];
  const put = (value: number): void => {
    let left = value;
    do {
      const low = left & 7;
      left = Math.floor(left / 8);
      nibbles.push(left > 0 ? low | 8 : low);
    } while (left > 0);
  };
  for (let i = 0, previous = 0; i < values.length;) {
    const zeros = values.slice(i).findIndex((v) => v !== 0);
    const zeroRun = zeros < 0 ? values.length - i : zeros;
    put(zeroRun);
    i += zeroRun;
    const end = values.findIndex((v, k) => k >= i && v === 0);
    const stop = end < 0 ? values.length : end;
    put(stop - i);
    for (; i < stop; i++) {
      const delta = values[i]! - previous;
      put(delta >= 0 ? delta * 2 : -delta * 2 - 1);
      previous = values[i]!;
    }
  }
  const bytes = new Uint8Array(Math.ceil(nibbles.length / 8) * 4);
  const view = new DataView(bytes.buffer);
  for (let w = 0; w * 8 < nibbles.length; w++) {
    let word = 0;
    for (let k = 0; k < 8; k++) word = ((word << 4) | (nibbles[w * 8 + k] ?? 0)) >>> 0;
    view.setUint32(w * 4, word, true);
  }
  return bytes;
}

describe('RVL depth', () => {
  it('property: decodes what the encoder of the paper writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65535 })), { minLength: 1, maxLength: 300 }),
        (values) => {
          expect(Array.from(decodeRvl(encodeRvl(values), values.length))).toEqual(values);
        },
      ),
      { numRuns: 500, seed: 3 },
    );
  });

  it('refuses data that end early or describe too much', async () => {
    expect(() => decodeRvl(new Uint8Array(0), 4)).toThrow('end after');
    expect(() => decodeRvl(encodeRvl([1, 2, 3, 4, 5]), 3)).toThrow('more than 3');
    const body = new Uint8Array(12 + 8 + 4);
    new DataView(body.buffer).setUint32(12, 70_000, true);
    new DataView(body.buffer).setUint32(16, 70_000, true);
    const message: CompressedImage = { header, format: '16UC1; compressedDepth rvl', data: body };
    await expect(decodeCompressedDepth(message)).rejects.toThrow('70000x70000');
  });

  it('is read as compressedDepth rvl, with its size', async () => {
    const values = [0, 1000, 1001, 0, 0, 65535];
    const rvl = encodeRvl(values);
    const data = new Uint8Array(12 + 8 + rvl.length);
    new DataView(data.buffer).setUint32(12, 3, true);
    new DataView(data.buffer).setUint32(16, 2, true);
    data.set(rvl, 20);
    const depth = await decodeCompressedDepth({ header, format: '16UC1; compressedDepth rvl', data });
    expect([depth.width, depth.height]).toEqual([3, 2]);
    expect(depth.data[1]).toBeCloseTo(1, 6);
    expect(depth.data[0]).toBeNaN();
  });
});

describe('YUV 4:2:2', () => {
  // Black, white, and pure red of ITU-R BT.601 in studio range.
  it.each([
    ['yuv422', [128, 16, 128, 235]],
    ['uyvy', [128, 16, 128, 235]],
    ['yuv422_yuy2', [16, 128, 235, 128]],
    ['yuyv', [16, 128, 235, 128]],
  ])('%s reads two pixels from four bytes', (encoding, bytes) => {
    expect([...decodeColorImage(image(encoding, 2, 1, 4, bytes)).data]).toEqual([0, 0, 0, 255, 255, 255]);
  });
  it('turns chroma into colour the right way round', () => {
    const [r, g, b] = decodeColorImage(image('uyvy', 2, 1, 4, [90, 81, 240, 81])).data;
    expect([r! > 240, g! < 10, b! < 10]).toEqual([true, true, true]);
  });
  it('refuses an odd width', () => {
    expect(() => decodeColorImage(image('uyvy', 3, 1, 8, new Array<number>(8).fill(0)))).toThrow('3 pixels wide');
  });
});

describe('lifting a pixel', () => {
  const camera = new CameraModel({ width: 20, height: 20, fx: 100, fy: 100, cx: 9.5, cy: 9.5 });
  const depth = (fill: (x: number, y: number) => number): { width: number; height: number; data: Float32Array } => ({
    width: 20,
    height: 20,
    data: Float32Array.from({ length: 400 }, (_, i) => fill(i % 20, Math.floor(i / 20))),
  });
  const reasonAt = (x: number, y: number, fill: (x: number, y: number) => number): string | null => {
    const lifted = liftPixel([x, y], depth(fill), camera);
    return lifted.position ? null : lifted.reason;
  };
  it('takes the median of the neighbours, so that one wild reading does not move it', () => {
    const lifted = liftPixel(
      [10, 10],
      depth((x, y) => (x === 11 && y === 10 ? 5 : 1)),
      camera,
    );
    expect(lifted.position).toEqual([0.005, 0.005, 1]);
  });
  it('says why it refuses', () => {
    expect(reasonAt(10, 10, () => Number.NaN)).toBe('no-depth');
    expect(reasonAt(10, 10, (x, y) => (x === 10 && y === 10 ? 1 : Number.NaN))).toBe('no-depth');
    expect(reasonAt(10, 10, (x) => (x < 10 ? 1 : 1.5))).toBe('edge');
    expect(reasonAt(10, 10, () => 1e-42)).toBe('out-of-range');
    expect(reasonAt(25, 10, () => 1)).toBe('outside');
  });
});

describe('the observation window', () => {
  const frame = (ms: number): CameraFrame => ({ stamp: BigInt(ms) * 1_000_000n }) as CameraFrame;
  const stampsOf = (window: readonly CameraFrame[] | null): number[] | null =>
    window && window.map((f) => Number(f.stamp / 1_000_000n));
  it('is never padded: it waits until every place has its own picture', () => {
    const window = new ObservationWindow({ frames: 3, stepS: 0.1 });
    window.add(frame(1000));
    expect(window.window()).toBeNull();
    window.add(frame(1100));
    expect(window.window()).toBeNull();
    window.add(frame(1200));
    expect(stampsOf(window.window())).toEqual([1000, 1100, 1200]);
  });
  it('picks the pictures nearest to its steps from a faster stream', () => {
    const window = new ObservationWindow({ frames: 3, stepS: 0.1 });
    for (let ms = 0; ms <= 500; ms += 33) window.add(frame(ms));
    expect(stampsOf(window.window())).toEqual([297, 396, 495]);
  });
  it('has none over a gap', () => {
    const window = new ObservationWindow({ frames: 3, stepS: 0.1 });
    for (const ms of [0, 100, 500, 600]) window.add(frame(ms));
    expect(window.window()).toBeNull();
  });
});
