import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { FORECASTERS } from '../../assembly/forecasters.js';
import { PLANNERS } from '../../assembly/planners.js';
import { CancelledError } from '../../core/errors.js';
import type { Vector3 } from '../../core/vector.js';
import { episodesReport, type EpisodeResult } from '../../evaluation/episodes.js';
import { seedsOf, type Shard, type ShardOrigin } from '../../evaluation/shards.js';
import { onThreads } from '../../threads/worker-pool.js';
import { countingNumber, shard, vector } from '../arguments.js';
import {
  episodeConfig,
  episodeScenes,
  TABLETOP,
  withEpisodeOptions,
  type EpisodeCommandOptions,
} from '../episode-options.js';
import type { EvaluationRequest } from '../evaluation-worker.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { makeFolder } from '../output-folder.js';
import { showEpisodes } from '../episodes-summary.js';
import { countBar } from '../terminal.js';

interface EvaluateEpisodesOptions extends EpisodeCommandOptions {
  readonly calibrationError?: Vector3;
  readonly keepFailed?: string;
  readonly jobs?: number;
  readonly shard?: Shard;
  readonly json?: string;
}

/** Compiled code: a thread cannot be started from TypeScript. */
const WORKER_FILE = new URL('../../../dist/cli/evaluation-worker.js', import.meta.url);

export function evaluateEpisodesCommand(): Command {
  return withEpisodeOptions(
    new Command('episodes').description(
      'let the node pick and place in the simulator, over its bus, and count what physics says of it',
    ),
    TABLETOP,
  )
    .option('--calibration-error <x,y,z>', "the cameras' published poses are off by this, metres", vector)
    .option('--keep-failed <dir>', 'folder for an MCAP of every episode that fails')
    .option(
      '--jobs <n>',
      'episodes at the same time (default: one for each core, or 1 with a bundle, of which each would open its own)',
      countingNumber,
    )
    .option(
      '--shard <k/n>',
      'only part K of N of the episodes, for evaluate merge; every machine is given the same other options',
      shard,
    )
    .option('--json <file>', 'write the report; - for stdout, in place of the text')
    .addHelpText(
      'after',
      '\nAn episode succeeds when its object rests in its receptacle and the gripper is open. Objects and starts that the scene file holds out of the\ntraining episodes are counted apart. The same seeds give the same episodes, whatever --jobs is.',
    )
    .action(run);
}

async function run(options: EvaluateEpisodesOptions): Promise<void> {
  const { count, seed, json, keepFailed } = options;
  const [config, scenes] = await Promise.all([
    episodeConfig(options, TABLETOP),
    episodeScenes(options.scene, TABLETOP),
  ]);
  // What cannot be written in the end is refused before the hours of work.
  if (json !== undefined && json !== '-') await makeFolder(path.dirname(json));
  const common = {
    config,
    scenes,
    timeLimitS: options.timeLimit,
    clock: 'virtual',
    ...(options.calibrationError && { calibrationErrorM: options.calibrationError }),
  } as const;
  const seeds = seedsOf(options.shard ?? { index: 1, of: 1 }, seed, count);
  const requests = seeds.map((one): EvaluationRequest => ({
    episode: { ...common, seed: one },
    ...(keepFailed !== undefined && { keepFailed }),
  }));
  const results: EpisodeResult[] = [];
  const bar = countBar('episodes');
  bar.update(0, seeds.length);
  const began = performance.now();
  await interruptible(async (signal) => {
    await onThreads<EpisodeResult>(WORKER_FILE, requests, {
      threads: options.jobs ?? (usesModel(config) ? 1 : availableParallelism()),
      signal,
      onResult: (result) => {
        results.push(result);
        bar.update(results.length, seeds.length);
      },
    });
    if (signal.aborted) throw new CancelledError('the evaluation');
  }).finally(bar.stop);
  results.sort((a, b) => a.seed - b.seed);
  const { forecasting, planning } = config;
  const wallS = (performance.now() - began) / 1000;
  const report = episodesReport(forecasting.forecaster, planning.planner, results, wallS);
  const origin = options.shard && originOf(options.shard, seed, count, common);
  await reportResult(json, { ...report, ...(origin && { shard: origin }) }, () => {
    showEpisodes(report);
  });
}

/** A bundle takes all cores for itself. */
function usesModel({ forecasting, planning }: NodeConfig): boolean {
  return FORECASTERS.needsModel(forecasting.forecaster) || PLANNERS.needsModel(planning.planner);
}

/** @param common what decides, beside its seed, what an episode is. */
function originOf({ index, of }: Shard, firstSeed: number, count: number, common: object): ShardOrigin {
  const evaluation = createHash('sha256').update(JSON.stringify(common)).digest('hex');
  return { index, of, first_seed: firstSeed, count, evaluation };
}
