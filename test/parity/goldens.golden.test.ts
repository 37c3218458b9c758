import { expect, it } from '@jest/globals';
import type { Comparison } from '../../src/parity/comparison.js';
import { runCases } from '../../src/parity/run-cases.js';
import { describeShared, sharedPath } from '../golden/shared.js';

/** Models against the outputs of the reference implementations, stage by stage. */
describeShared('reference implementations', 'golden/bot', () => {
  const compare = (...parts: string[]): Promise<Comparison[]> =>
    runCases(sharedPath('golden', ...parts), { type: 'fp32', model: { provider: 'cpu' } });
  const but = (rows: readonly Comparison[], ...verdicts: Comparison['verdict'][]): string[] =>
    rows
      .filter(({ verdict }) => !verdicts.includes(verdict))
      .map((row) => `${row.case} ${row.stage}: ${row.verdict} ${row.difference ?? ''} ${row.note ?? ''}`);

  it.each([
    ['preprocess', 10],
    ['motion/hf-h1', 10],
    ['motion/native-h3', 10],
    ['motion/native-b-variant', 2],
    ['bot/native-2cam', 30],
    ['bot/native-4img', 10],
    ['bot/bench', 4],
    ['point/molmo2-image', 5],
    ['point/molmopoint/untied/image-several', 25],
    ['point/molmopoint/tied/image-several', 9],
  ])(
    '%s',
    async (name, least) => {
      const rows = await compare(...name.split('/'));
      expect(but(rows, 'pass')).toEqual([]);
      // A comparison that finds nothing to compare must not look like a good one.
      expect(rows.length).toBeGreaterThanOrEqual(least);
    },
    120_000,
  );

  it('every option of a policy checkpoint is honoured, or refused by name', async () => {
    const rows = await compare('bot', 'variants');
    expect(but(rows, 'pass', 'refused')).toEqual([]);
    expect(new Set(rows.map((row) => row.case)).size).toBe(49);
    expect(rows.filter(({ verdict }) => verdict === 'refused').map((row) => row.case)).toEqual([
      'mask-image-to-question',
      'extra-image-dropped',
      'position-interpolation',
    ]);
  }, 240_000);

  it('float16 weights stay within 2 % of a stage', async () => {
    const rows = await runCases(sharedPath('golden', 'bot', 'native-2cam'), {
      type: 'fp16',
      model: { provider: 'cpu' },
    });
    expect(but(rows, 'pass', 'reported')).toEqual([]);
    expect(rows.filter(({ verdict }) => verdict === 'pass').length).toBeGreaterThan(50);
  }, 120_000);
});
