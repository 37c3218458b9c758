import { describe, expect, it } from '@jest/globals';
import type { Sequence } from '../../src/inference/sequence.js';
import { frameLabel } from '../../src/inference/sequence.js';
import { groundedPoints } from '../../src/inference/grounded-points.js';
import { checkFrames, frameInput } from '../../src/inference/video-frames.js';

const frame = (width: number, height: number): { width: number; height: number; data: Uint8Array } => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(width),
});

describe('frames of a video', () => {
  it.each([
    ['a time too few', [0], /1 times were given for 2 frames/],
    ['a time before 0', [-1, 0], /time 1 of the frames is -1 s/],
    ['the same time twice', [0.5, 0.5], /time 2 of the frames is 0.5 s/],
  ])('%s is refused', (_, times, message) => {
    expect(() => {
      checkFrames([frame(4, 3), frame(4, 3)], times);
    }).toThrow(message);
  });
  it('of different sizes are refused', () => {
    expect(() => {
      checkFrames([frame(4, 3), frame(3, 4)], [0, 1]);
    }).toThrow(/frame 2 is 3x4, but frame 1 is 4x3/);
  });
  it('are one array', () => {
    expect(frameInput([frame(4, 3), frame(4, 3)])).toMatchObject({ dims: [2, 3, 4, 3] });
    expect(frameInput([]).dims).toEqual([0, 0, 0, 3]);
  });
  // Python: [f'{t:.1f}' for t in (0.25, 0.75, 0.35, 2.1666666666666665, 1.25)]
  it('are labelled as Python formats their times', () => {
    expect([0.25, 0.75, 0.35, 2.1666666666666665, 1.25].map(frameLabel)).toEqual(['0.2', '0.8', '0.3', '2.2', '1.2']);
  });
});

describe('points of grounding tokens', () => {
  const grounding = { patch: 100, subpatch: 101, location: 102 };
  const sequence: Pick<Sequence, 'tokenPooling' | 'window' | 'grids' | 'imageOrder'> = {
    tokenPooling: [0, 1, 2, 3, 4, -1],
    window: 2,
    grids: [
      { rows: 2, columns: 2, ids: Int32Array.from([0, 1, 2, 3]) },
      { rows: 1, columns: 1, ids: Int32Array.from([4]) },
    ],
    imageOrder: [0, 1],
  };
  const read = (tokens: readonly number[], choices: readonly number[]): ReturnType<typeof groundedPoints> =>
    groundedPoints(
      { tokens, choices },
      grounding,
      sequence as Sequence,
      [
        { width: 200, height: 100 },
        { width: 30, height: 10 },
      ],
      (part) => part.join(''),
    );

  it('lie in their cell, whose column is the slow index', () => {
    // Patch 3 is at row 1 and column 1; cell 5 is column 1, row 2: x = (1 + 1.5 * 0.33) / 2 * 200, y = (1 + 2.5 * 0.33) / 2 * 100.
    const [point] = read([100, 101, 102, 7], [1, 1, 5, -1]);
    expect(point).toMatchObject({ image: 0, id: 7 });
    expect(point!.pixel[0]).toBeCloseTo(149.5, 9);
    expect(point!.pixel[1]).toBeCloseTo(91.25, 9);
  });
  it('are left out without a number, in an empty slot, and where they are cut off', () => {
    expect(read([100, 101, 102, 100, 101, 102, 3], [0, 0, 0, 2, 1, 0, -1])).toEqual([]);
    expect(read([100, 101], [0, 0])).toEqual([]);
    expect(read([100, 101, 102, 1, 2, 100], [2, 0, 0, -1, -1, 3])).toMatchObject([{ image: 1, id: 12 }]);
  });
});
