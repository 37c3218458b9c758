import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { CancelledError } from '../../core/errors.js';
import type { Pixel, Vector3 } from '../../core/vector.js';
import {
  episodesReport,
  type EpisodeResult,
  type EpisodesReport,
  type SuccessShare,
} from '../../evaluation/episodes.js';
import type { QueueOptions } from '../../execution/chunk-queue.js';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { loadSceneConfig } from '../../simulator/scene-config.js';
import { onThreads } from '../../threads/worker-pool.js';
import {
  cameraName,
  countingNumber,
  episodeCount,
  notNegative,
  pixel,
  positiveNumber,
  vector,
  wholeNumber,
} from '../arguments.js';
import type { EvaluationRequest } from '../evaluation-worker.js';
import { DEFAULT_STEPS } from '../forecasters.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import { makeFolder } from '../output-folder.js';
import { countBar, print, printTable, toJson } from '../terminal.js';

interface EvaluateEpisodesOptions extends ModelCommandOptions {
  readonly count: number;
  readonly seed: number;
  readonly forecaster: string;
  readonly planner: string;
  readonly policyCamera?: readonly (readonly [string, string])[];
  readonly maxNewTokens?: number;
  readonly scene?: string;
  readonly steps: number;
  readonly mode: QueueOptions['mode'];
  readonly latency: number;
  readonly timeLimit: number;
  readonly instruction?: string;
  readonly click?: Pixel;
  readonly calibrationError?: Vector3;
  readonly keepFailed?: string;
  readonly jobs?: number;
  readonly json?: string;
}

/** Compiled code: a thread cannot be started from TypeScript. */
const WORKER_FILE = new URL('../../../dist/cli/evaluation-worker.js', import.meta.url);
/** `episodes` begins at 0: far from what a policy was trained on. */
const DEFAULT_SEED = 1_000_000;

export const DEFAULT_EPISODE = { mode: 'synchronous', latency: 0, timeLimit: 60 } as const;

export function evaluateEpisodesCommand(): Command {
  return withModelOptions(
    new Command('episodes')
      .description('let the node pick and place in the simulator, over its bus, and count what physics says of it')
      .requiredOption('--count <n>', 'episodes, each from the next seed', episodeCount)
      .option('--seed <n>', 'of the first; those of training episodes begin at 0', wholeNumber, DEFAULT_SEED)
      .option(
        '--forecaster <name>',
        'recorded (the true future, from the scripted expert), static, extrapolate, or the folder of a bundle',
        'recorded',
      )
      .option(
        '--planner <name>',
        'rigid (grasps from above, carries along the forecast), or the folder of a bundle',
        'rigid',
      )
      .option('--policy-camera <name=camera>', "camera in place of one of the policy's; repeatable", cameraName)
      .option(
        '--max-new-tokens <n>',
        'longest answer of a forecasting bundle (default: 160 for each step)',
        countingNumber,
      )
      .option('--scene <file>', 'description of the scenes (default: config/scenes/tabletop.yaml)')
      .option('--steps <n>', 'future steps of forecasters that are no model', countingNumber, DEFAULT_STEPS)
      .addOption(
        new Option('--mode <mode>', 'whether the next chunk is waited for, or planned while the current one plays')
          .choices(['synchronous', 'asynchronous'])
          .default(DEFAULT_EPISODE.mode),
      )
      .option(
        '--latency <seconds>',
        'time that a chunk is taken to need: the clock stands still while it is made',
        notNegative,
        DEFAULT_EPISODE.latency,
      )
      .option('--time-limit <seconds>', 'of an episode', positiveNumber, DEFAULT_EPISODE.timeLimit)
      .option('--instruction <text>', 'in place of the task of each scene; it names an object and a receptacle')
      .option(
        '--click <x,y>',
        "pixel of the object in the first picture, in place of the simulator's mask of it",
        pixel,
      )
      .option('--calibration-error <x,y,z>', "the cameras' published poses are off by this, metres", vector)
      .option('--keep-failed <dir>', 'folder for an MCAP of every episode that fails')
      .option(
        '--jobs <n>',
        'episodes at the same time (default: one for each core, or 1 with a bundle, of which each would open its own)',
        countingNumber,
      )
      .option('--json <file>', 'write the report; - for stdout')
      .addHelpText(
        'after',
        '\nAn episode succeeds when its object rests in its receptacle and the gripper is open. Objects and starts that the scene file holds out of the\ntraining episodes are counted apart. The same seeds give the same episodes, whatever --jobs is.',
      ),
  ).action(run);
}

async function run(options: EvaluateEpisodesOptions): Promise<void> {
  const [arm, config] = await Promise.all([loadArm('fr3'), loadSceneConfig(options.scene)]);
  const { count, seed, forecaster, planner, json } = options;
  // What cannot be written in the end is refused before the hours of work.
  if (json !== undefined && json !== '-') await makeFolder(path.dirname(json));
  const requests = Array.from({ length: count }, (_, i): EvaluationRequest => ({
    models: {
      arm,
      forecaster,
      planner,
      steps: options.steps,
      seed: 0,
      policyCameras: options.policyCamera ?? [],
      ...(options.maxNewTokens !== undefined && { maxNewTokens: options.maxNewTokens }),
      model: modelOptions(options),
    },
    episode: {
      config,
      seed: seed + i,
      mode: options.mode,
      latencyS: options.latency,
      timeLimitS: options.timeLimit,
      clock: 'virtual',
      ...(options.instruction !== undefined && { instruction: options.instruction }),
      ...(options.click && { click: options.click }),
      ...(options.calibrationError && { calibrationErrorM: options.calibrationError }),
    },
    ...(options.keepFailed !== undefined && { keepFailed: options.keepFailed }),
  }));
  const results: EpisodeResult[] = [];
  const bar = countBar('episodes');
  bar.update(0, count);
  const began = performance.now();
  await interruptible(async (signal) => {
    await onThreads<EpisodeResult>(WORKER_FILE, requests, {
      threads: options.jobs ?? (isBundle(forecaster) || isBundle(planner) ? 1 : availableParallelism()),
      signal,
      onResult: (result) => {
        results.push(result);
        bar.update(results.length, count);
      },
    });
    if (signal.aborted) throw new CancelledError('the evaluation');
  }).finally(bar.stop);
  results.sort((a, b) => a.seed - b.seed);
  const report = episodesReport(forecaster, planner, results, (performance.now() - began) / 1000);
  if (json === '-') process.stdout.write(`${toJson(report)}\n`);
  else {
    if (json !== undefined) await writeAtomically(json, `${toJson(report)}\n`);
    show(report);
  }
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

/** Words are not folders; one that is no word is refused where it is opened. */
function isBundle(name: string): boolean {
  return existsSync(name);
}
