import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { evaluatePredictions } from '../../src/evaluation/predictions.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

describeShared('metrics of the reference', 'golden/tracks/metrics/expected.json', () => {
  const golden = sharedJson<any>('golden/tracks/metrics/expected.json');
  const close = (a: number | null, b: number | null): void => {
    if (a === null || b === null) expect(a).toBe(b);
    else expect(Math.abs(a - b)).toBeLessThanOrEqual(golden.tolerance);
  };
  it.each(Object.entries<any>(golden.cases))('%s', (_name, c) => {
    const text = readFileSync(sharedPath('golden/tracks/metrics', c.file), 'utf8');
    const released = evaluatePredictions(text, 'released');
    // The script reports 0 where nothing counts; here that is null.
    for (const m of ['ADE', 'FDE', 'PWT'] as const) close(released.pooled[m] ?? 0, c.code[m]);
    for (const [t, v] of Object.entries<number>(c.code.PWT_per_threshold))
      close(released.pooled.PWT_per_threshold[t] ?? 0, v);
    expect([released.n_clips, released.n_records]).toEqual([c.code.n_clips, c.code.n_records]);
    const paper = evaluatePredictions(text, 'paper');
    for (const m of ['ADE', 'FDE', 'PWT', 'pairs', 'final_pairs'] as const)
      close(paper.pooled[m], c.paper_c4.pooled[m]);
    for (const [clip, e] of Object.entries<any>(c.paper_c4.per_clip)) {
      for (const m of ['ADE', 'FDE', 'PWT', 'pairs', 'final_pairs'] as const) close(paper.per_clip[clip]![m], e[m]);
    }
    for (const m of ['ADE', 'FDE', 'PWT'] as const) close(paper.mean_over_clips[m], c.paper_c4.mean_over_clips[m]);
  });
});

describe('several samples of one prediction', () => {
  it('count with the best of each metric', () => {
    const row = (x: number, last: number): string =>
      JSON.stringify({
        example_id: 'e',
        video: 'v',
        obj: 'o',
        t0: 2,
        pred_raw_combined: [
          [
            [x, 0, 0],
            [last, 0, 0],
          ],
        ],
        gt_future_raw: [
          [
            [0, 0, 0],
            [0, 0, 0],
          ],
        ],
        gt_future_vis: [[1, 1]],
      });
    const { pooled, per_clip: perClip } = evaluatePredictions(`${row(1, 3)}\n${row(4, 1)}`, 'paper');
    expect(perClip['v|o|2']).toMatchObject({ ADE: 2, FDE: 1 }); // of 2 and 2.5, of 3 and 1
    expect(pooled).toMatchObject({ ADE: 2, FDE: 3 }); // those of the first sample, whose ADE is smaller
  });
  it('without truth is listed as skipped', () => {
    const { skipped, pooled } = evaluatePredictions(
      JSON.stringify({ example_id: 'x', pred_raw_combined: [[[0, 0, 0]]], gt_future_raw: null, gt_future_vis: null }),
      'paper',
    );
    expect(skipped[0]).toMatchObject({ line: 1, example_id: 'x', reason: expect.stringContaining('no truth') });
    expect(pooled.ADE).toBeNull();
  });
});
