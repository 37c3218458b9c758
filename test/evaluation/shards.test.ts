import { describe, expect, it } from '@jest/globals';
import { episodesReport, type EpisodeResult } from '../../src/evaluation/episodes.js';
import { mergeShards, readShardReport, seedsOf, type ShardReport } from '../../src/evaluation/shards.js';

const COUNT = 10;
const SHARDS = 4;

/** Values that no float can hold exactly, so that another order of the sums would show. */
const episode = (seed: number): EpisodeResult => ({
  ...{ seed, instruction: 'x', success: seed % 3 > 0, unseen: { object: seed % 2 > 0, layout: false } },
  failure: seed % 3 > 0 ? null : { code: seed % 2 > 0 ? 'object.held' : 'object.outside', message: 'x' },
  ...{ simulated_s: seed / 15, wall_s: 1, spent_ms: {}, forecasts: 1, moved_m: {}, commands: seed, holds: 1 },
  forecast_error_m: { ADE: 0.1 / (seed + 1), FDE: 0.3 / (seed + 1), forecasts: 1 },
  ...{ chunk_latencies_ms: [seed / 7], limited: { [`reason ${seed % 3}`]: 1 }, stops: [], refusals: [] },
});

const shard = (index: number, change: Partial<ShardReport['shard']> = {}): { file: string; report: ShardReport } => {
  const origin = { index, of: SHARDS, first_seed: 7, count: COUNT, evaluation: 'a', ...change };
  const report = episodesReport('truth', 'rigid', seedsOf(origin, 7, COUNT).map(episode), 2);
  // As it comes from its file.
  const file = `shard-${index}.json`;
  return { file, report: readShardReport(file, JSON.parse(JSON.stringify({ ...report, shard: origin }))) };
};

describe('shards of an evaluation', () => {
  it('have every seed once', () => {
    const all = [1, 2, 3, 4].flatMap((index) => seedsOf({ index, of: SHARDS }, 7, COUNT));
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, i) => 7 + i));
  });

  it('merged in any order are the report of one run, byte by byte', () => {
    const whole = episodesReport(
      'truth',
      'rigid',
      Array.from({ length: COUNT }, (_, i) => episode(7 + i)),
      8,
    );
    expect(JSON.stringify(mergeShards([3, 1, 4, 2].map((k) => shard(k))))).toBe(JSON.stringify(whole));
  });

  it.each([
    ['a shard that is missing', [shard(1), shard(3), shard(4)], 'shard.missing', /2\/4 is missing/],
    ['a shard of another configuration', [shard(1), shard(2, { evaluation: 'b' })], 'shard.other', /shard-2\.json/],
    ['a shard that is there twice', [shard(1), shard(1)], 'shard.twice', /both shard 1\/4/],
  ])('with %s are refused by name', (_, files, code, message) => {
    expect(() => mergeShards(files)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('with an episode too few are refused', () => {
    const { file, report } = shard(1);
    const cut = { file, report: { ...report, episodes: report.episodes.slice(1) } };
    expect(() => mergeShards([cut])).toThrow(expect.objectContaining({ code: 'shard.incomplete' }));
  });

  it('are no reports of whole runs', () => {
    expect(() => readShardReport('whole.json', episodesReport('truth', 'rigid', [], 1))).toThrow(
      expect.objectContaining({ code: 'shard.format' }),
    );
  });
});
