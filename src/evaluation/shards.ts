import { z } from 'zod';
import { ConfigurationError, InputError } from '../core/errors.js';
import { episodesReport, type EpisodeResult, type EpisodesReport } from './episodes.js';

/** Part K of an evaluation that N machines share, K from 1. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** What the report of a shard says of the whole. */
export interface ShardOrigin extends Shard {
  readonly first_seed: number;
  /** Episodes of all shards together. */
  readonly count: number;
  /** Hash of everything that decides what an episode is: shards of different evaluations are not added up. */
  readonly evaluation: string;
}

export type ShardReport = EpisodesReport & { readonly shard: ShardOrigin };

/** Every Nth seed, so that no shard has all of the hard ones at the end. */
export function seedsOf({ index, of }: Shard, firstSeed: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => firstSeed + i).filter((_, i) => i % of === index - 1);
}

const whole = z.number().int().nonnegative();
const shardReportSchema = z.looseObject({
  forecaster: z.string(),
  planner: z.string(),
  wall_s: z.number(),
  episodes: z.array(z.looseObject({ seed: whole, simulated_s: z.number() })),
  shard: z.strictObject({
    index: whole.min(1),
    of: whole.min(1),
    first_seed: whole,
    count: whole,
    evaluation: z.string(),
  }),
});

/** @throws InputError `shard.format` for a file that `evaluate episodes --shard` has not written. */
export function readShardReport(file: string, data: unknown): ShardReport {
  const parsed = shardReportSchema.safeParse(data);
  // The rest of the file is as its writer left it: it is our own, and its seeds are compared below.
  if (parsed.success) return data as ShardReport;
  throw new InputError({
    code: 'shard.format',
    message: `${file} is no report of a shard: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
    remedy: 'give files that molmo-motion evaluate episodes --shard K/N --json FILE has written',
  });
}

/**
 * The report that one machine would have made, but for the times: `wall_s` is the sum of the shards'.
 * @throws InputError `shard.other` for shards of another evaluation, `shard.twice`, and `shard.missing`, which names those to be run again.
 */
export function mergeShards(files: readonly { readonly file: string; readonly report: ShardReport }[]): EpisodesReport {
  const [first] = files;
  if (!first)
    throw new ConfigurationError({ code: 'shard.none', message: 'there is no shard', remedy: 'name some files' });
  const { of, first_seed: firstSeed, count, evaluation } = first.report.shard;
  const found = new Map<number, string>();
  for (const { file, report } of files) {
    const { shard } = report;
    if (shard.evaluation !== evaluation || shard.of !== of || shard.first_seed !== firstSeed || shard.count !== count) {
      throw new InputError({
        code: 'shard.other',
        message: `${file} is a shard of another evaluation than ${first.file}: its configuration, scenes, seeds or number of shards differ`,
        remedy: 'merge shards that were started with the same options, --shard apart',
      });
    }
    const earlier = found.get(shard.index);
    if (earlier !== undefined) {
      throw new InputError({
        code: 'shard.twice',
        message: `${earlier} and ${file} are both shard ${shard.index}/${of}`,
        remedy: 'leave one of them out',
      });
    }
    found.set(shard.index, file);
    checkSeeds(file, report);
  }
  const missing = Array.from({ length: of }, (_, k) => k + 1).filter((index) => !found.has(index));
  if (missing.length > 0) {
    throw new InputError({
      code: 'shard.missing',
      message: `of ${of} shards, ${missing.map((index) => `${index}/${of}`).join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      remedy: `run again with ${missing.map((index) => `--shard ${index}/${of}`).join(', then ')}`,
    });
  }
  const episodes = files.flatMap(({ report }): readonly EpisodeResult[] => report.episodes);
  const wallS = files.reduce((sum, { report }) => sum + report.wall_s, 0);
  const { forecaster, planner } = first.report;
  return episodesReport(
    forecaster,
    planner,
    episodes.toSorted((a, b) => a.seed - b.seed),
    wallS,
  );
}

function checkSeeds(file: string, { shard, episodes }: ShardReport): void {
  const wanted = seedsOf(shard, shard.first_seed, shard.count);
  if (wanted.length === episodes.length && wanted.every((seed, i) => seed === episodes[i]!.seed)) return;
  throw new InputError({
    code: 'shard.incomplete',
    message: `${file} has ${episodes.length} episodes that are not the ${wanted.length} of shard ${shard.index}/${shard.of}`,
    remedy: `run again with --shard ${shard.index}/${shard.of}`,
  });
}
