import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { FORECASTERS } from '../../assembly/forecasters.js';
import { PLANNERS } from '../../assembly/planners.js';
import { CancelledError } from '../../core/errors.js';
import type { Vector3 } from '../../core/vector.js';
import {
  episodesReport,
  type EpisodeResult,
  type EpisodesReport,
  type SuccessShare,
} from '../../evaluation/episodes.js';
import { onThreads } from '../../threads/worker-pool.js';
import { countingNumber, vector } from '../arguments.js';
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
import { countBar, print, printTable } from '../terminal.js';

interface EvaluateEpisodesOptions extends EpisodeCommandOptions {
  readonly calibrationError?: Vector3;
  readonly keepFailed?: string;
  readonly jobs?: number;
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
  const requests = Array.from({ length: count }, (_, i): EvaluationRequest => ({
    episode: {
      config,
      scenes,
      seed: seed + i,
      timeLimitS: options.timeLimit,
      clock: 'virtual',
      ...(options.calibrationError && { calibrationErrorM: options.calibrationError }),
    },
    ...(keepFailed !== undefined && { keepFailed }),
  }));
  const results: EpisodeResult[] = [];
  const bar = countBar('episodes');
  bar.update(0, count);
  const began = performance.now();
  await interruptible(async (signal) => {
    await onThreads<EpisodeResult>(WORKER_FILE, requests, {
      threads: options.jobs ?? (usesModel(config) ? 1 : availableParallelism()),
      signal,
      onResult: (result) => {
        results.push(result);
        bar.update(results.length, count);
      },
    });
    if (signal.aborted) throw new CancelledError('the evaluation');
  }).finally(bar.stop);
  results.sort((a, b) => a.seed - b.seed);
  const { forecasting, planning } = config;
  const wallS = (performance.now() - began) / 1000;
  const report = episodesReport(forecasting.forecaster, planning.planner, results, wallS);
  await reportResult(json, report, () => {
    show(report);
  });
}

/** A bundle takes all cores for itself. */
function usesModel({ forecasting, planning }: NodeConfig): boolean {
  return FORECASTERS.needsModel(forecasting.forecaster) || PLANNERS.needsModel(planning.planner);
}

function show({
  success,
  failures,
  forecast_error_m: error,
  chunk_latency_ms: latency,
  limiter,
  ...report
}: EpisodesReport): void {
  const row = (name: string, { succeeded, episodes, rate }: SuccessShare): (string | number)[] => [
    name,
    `${succeeded} of ${episodes}`,
    rate === null ? '-' : `${(100 * rate).toFixed(1)} %`,
  ];
  printTable(
    ['episodes', 'succeeded', ''],
    [
      row('all', success),
      row('seen objects', success.seen_object),
      row('unseen objects', success.unseen_object),
      row('seen layouts', success.seen_layout),
      row('unseen layouts', success.unseen_layout),
    ],
  );
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? '-';
  print(
    `forecasts of the held object: ADE ${number(error.ADE, 4)} m, FDE ${number(error.FDE, 4)} m from where its points then went`,
  );
  print(`${latency.chunks} chunks: p50 ${number(latency.p50, 1)} ms, p95 ${number(latency.p95, 1)} ms`);
  const limited = Object.entries(limiter.limited).map(([reason, times]) => `${reason} ${times}`);
  print(
    `${limiter.commands} commands, ${limiter.holds} of them holding; joints limited: ${limited.join(', ') || 'never'}; ${limiter.stops} stops`,
  );
  print(
    `${report.simulated_s.toFixed(0)} s simulated in ${report.wall_s.toFixed(0)} s (${number(report.times_real_time, 2)} times real time)`,
  );
  for (const { seed, failure } of report.episodes)
    if (failure) print(`seed ${seed}: ${failure.code}: ${failure.message}`);
  for (const [code, times] of Object.entries(failures)) print(`failed by ${code}: ${times}`);
}
