import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { Model } from '../../inference/model.js';
import { PolicyModel } from '../../inference/networks.js';
import type { QueueOptions } from '../../execution/chunk-queue.js';
import { ConfigurationError } from '../../core/errors.js';
import { MAX_DELTA_RAD } from '../../execution/reference-command.js';
import { FAULTS, parseFault, type InjectedFault } from '../../node/faults.js';
import type { OpenPolicy } from '../../node/open-policy.js';
import type { ExecutionReport } from '../../node/replay-execution.js';
import { replay, type ReplayReport } from '../../node/replay.js';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { ActionExpertPolicy } from '../../planning/action-expert-policy.js';
import { openRecording } from '../../recordings/open-recording.js';
import {
  anyNumber,
  cameraClick,
  cameraName,
  countingNumber,
  notNegative,
  positiveNumber,
  wholeNumber,
  type CameraClick,
} from '../arguments.js';
import {
  DEFAULT_STEPS,
  FORECASTER_NAMES,
  makeForecaster,
  type ForecasterName,
  type OpenForecaster,
} from '../forecasters.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import type { Recording } from '../../recordings/recording.js';
import { forecastOverlay } from '../forecast-overlay.js';
import { interruptible } from '../interruption.js';
import { makeFolder } from '../output-folder.js';
import { print, printJson, progressBar, say, toJson } from '../terminal.js';

export interface ReplayCommandOptions extends ModelCommandOptions {
  readonly forecastBundle?: string;
  readonly policyBundle?: string;
  readonly arm: string;
  readonly mode: QueueOptions['mode'];
  readonly latency: number;
  readonly blend: number;
  readonly maxDelta: number;
  readonly gate?: number;
  readonly fault?: readonly InjectedFault[];
  readonly policyCamera?: readonly (readonly [string, string])[];
  readonly maxNewTokens?: number;
  readonly out: string;
  readonly forecaster: ForecasterName;
  readonly predictions?: string;
  readonly steps: number;
  readonly instruction?: string;
  readonly trajectory?: number;
  readonly camera?: string;
  readonly click?: readonly CameraClick[];
  readonly period?: number;
  readonly seed: number;
  readonly from?: number;
  readonly duration?: number;
  readonly json?: boolean;
}

const DEFAULT_PERIOD_S = 1;

/** Of a replay, in which nothing can be hit. */
export const DEFAULT_EXECUTION = {
  arm: 'fr3',
  mode: 'asynchronous',
  latency: 0.1,
  blend: 0,
  maxDelta: MAX_DELTA_RAD,
} as const;

function injectedFaults(text: string, earlier: readonly InjectedFault[] = []): readonly InjectedFault[] {
  return [...earlier, parseFault(text)];
}

export function replayCommand(): Command {
  return withModelOptions(
    new Command('replay')
      .description('play a recording through the stages: query points, forecasts, pictures and a report')
      .argument('<recording>', 'MCAP file or rosbag2 directory, MolmoSpaces .h5, or clip directory')
      .requiredOption('--out <dir>', 'folder for replay.mcap, report.json and overlay.png')
      .addOption(
        new Option('--forecaster <name>', 'who forecasts')
          .choices(FORECASTER_NAMES.filter((name) => name !== 'bundle'))
          .default('extrapolate'),
      )
      .option('--predictions <file>', 'stored answers (predictions.jsonl) for --forecaster recorded')
      .option('--steps <n>', 'future steps of the baselines', countingNumber, DEFAULT_STEPS)
      .option('--instruction <text>', 'what to do, in place of the recorded instruction')
      .option('--trajectory <n>', 'trajectory of a MolmoSpaces file (default: the first)', wholeNumber)
      .option(
        '--camera <name>',
        'camera that forecasts start from (default: that of the tracks, else the first with depth)',
      )
      .option(
        '--click <[camera:]x,y>',
        'pixel on the object, at the first moment that camera has its history; repeatable',
        cameraClick,
      )
      .option(
        '--period <seconds>',
        'least time between two forecasts or chunks (default: 1; with a bundle every observation window)',
        positiveNumber,
      )
      .option('--seed <n>', 'seed of everything that is drawn', wholeNumber, 0)
      .option('--from <seconds>', 'start of the part to play', anyNumber)
      .option('--duration <seconds>', 'length of the part to play', positiveNumber)
      .option('--forecast-bundle <dir>', 'model bundle (of build --task forecast) that forecasts')
      .option('--max-new-tokens <n>', 'longest answer of that bundle (default: 160 for each step)', countingNumber)
      .option('--policy-bundle <dir>', 'model bundle (of build --task policy) that plans chunks of actions')
      .option(
        '--policy-camera <name=recorded>',
        "camera of the recording in place of one of the policy's; repeatable",
        cameraName,
      )
      .option('--arm <name>', 'arm whose limits the commands keep: fr3, panda, or a YAML file', DEFAULT_EXECUTION.arm)
      .addOption(
        new Option('--mode <mode>', 'whether the next chunk is planned while the current one plays, or waited for')
          .choices(['asynchronous', 'synchronous'])
          .default(DEFAULT_EXECUTION.mode),
      )
      .option(
        '--latency <seconds>',
        'time that a chunk is taken to need: the clock of a replay stands still while models compute',
        notNegative,
        DEFAULT_EXECUTION.latency,
      )
      .option(
        '--blend <steps>',
        'steps over which a chunk takes over from the one before',
        wholeNumber,
        DEFAULT_EXECUTION.blend,
      )
      .option(
        '--max-delta <rad>',
        'furthest that a command may be from the measured joints',
        positiveNumber,
        DEFAULT_EXECUTION.maxDelta,
      )
      .option(
        '--gate <m>',
        'chunks that lead the gripper further than this from the forecast object are not executed',
        positiveNumber,
      )
      .option(
        '--fault <name@seconds>',
        `something that goes wrong from then on, such as camera-stall@3.2s; repeatable (${Object.keys(FAULTS).join(', ')})`,
        injectedFaults,
      )
      .option('--json', 'print the report to stdout'),
  ).action(async (location: string, options: ReplayCommandOptions) => {
    const report = await runReplay(location, options);
    if (options.json) printJson(report);
    else summarize(report, options.out);
  });
}

/** Writes the three files of a replay. Nothing stands under a final name when it fails or is cancelled. */
export async function runReplay(location: string, options: ReplayCommandOptions): Promise<ReplayReport> {
  const recording = await openRecording(location, { trajectory: options.trajectory });
  try {
    const open = await makeForecaster(
      {
        ...options,
        ...(options.forecastBundle !== undefined && { forecaster: 'bundle', bundle: options.forecastBundle }),
        model: modelOptions(options),
      },
      recording,
    );
    try {
      const policy = await openPolicy(options);
      try {
        return await replayInto(recording, open, policy, options);
      } finally {
        await policy?.model.close();
      }
    } finally {
      await open.close();
    }
  } finally {
    await recording.close();
  }
}

async function openPolicy({
  policyBundle,
  policyCamera,
  ...options
}: ReplayCommandOptions): Promise<(OpenPolicy & { readonly model: Model }) | null> {
  if (policyBundle === undefined) return null;
  const model = await Model.open(policyBundle, 'policy', modelOptions(options));
  return {
    model,
    policy: new ActionExpertPolicy(new PolicyModel(model)),
    input: model.bundle.description.policy!,
    cameras: new Map(policyCamera ?? []),
  };
}

async function replayInto(
  recording: Recording,
  { forecaster }: OpenForecaster,
  policy: OpenPolicy | null,
  options: ReplayCommandOptions,
): Promise<ReplayReport> {
  if (options.gate !== undefined && !policy) {
    throw new ConfigurationError({
      code: 'replay.gate',
      message: '--gate keeps chunks from being executed, and no policy makes any in this replay',
      remedy: 'give --policy-bundle DIR, or leave --gate out',
    });
  }
  const arm = await loadArm(options.arm);
  await makeFolder(options.out);
  const bar = progressBar('replay');
  const outcome = await interruptible((signal) =>
    replay(recording, {
      forecaster,
      recordTo: path.join(options.out, 'replay.mcap'),
      ...(options.instruction !== undefined && { instruction: options.instruction }),
      ...(options.click && { clicks: options.click }),
      ...(options.camera !== undefined && { camera: options.camera }),
      ...(policy && {
        policy,
        execution: {
          arm,
          mode: options.mode,
          latencyS: options.latency,
          blendSteps: options.blend,
          maxDeltaRad: options.maxDelta,
          ...(options.gate !== undefined && { gateM: options.gate }),
        },
      }),
      ...(options.fault && { faults: options.fault }),
      periodS: options.period ?? (policy || options.forecastBundle !== undefined ? 0 : DEFAULT_PERIOD_S),
      seed: options.seed,
      ...(options.from !== undefined && { fromS: options.from }),
      ...(options.duration !== undefined && { durationS: options.duration }),
      signal,
      onProgress: bar.update,
    }),
  ).finally(bar.stop);
  await writeAtomically(path.join(options.out, 'report.json'), `${toJson(outcome.report)}\n`);
  const { highlight } = outcome;
  const overlay = highlight && (await forecastOverlay(highlight, { truth: highlight.truth }));
  // A picture of an earlier replay must not stand beside this report.
  if (overlay) await writeAtomically(path.join(options.out, 'overlay.png'), overlay);
  else await rm(path.join(options.out, 'overlay.png'), { force: true });
  return outcome.report;
}

function summarize(report: ReplayReport, out: string): void {
  const { sensing, grounding, forecasting, planning } = report.stages;
  print(
    `${report.messages.total} messages, ${report.duration_s.toFixed(1)} s recorded, ${report.wall_s.toFixed(1)} s computed (${report.times_real_time.toFixed(0)} times real time)`,
  );
  print(
    `${sensing.frames} pictures, ${grounding.queries} groundings, ${forecasting.forecasts} forecasts by ${report.forecaster}`,
  );
  const { paper } = report.metrics ?? {};
  if (paper)
    print(
      `against the truth (${report.metrics!.forecasts_scored} forecasts): ADE ${metres(paper.ADE)}, FDE ${metres(paper.FDE)}, PWT ${paper.PWT?.toFixed(3) ?? '-'}`,
    );
  if (planning.chunks > 0) print(`${planning.chunks} chunks planned`);
  if (report.policy) {
    const { chunks, arm_error_rad: all, executed_arm_error_rad: executed, gripper_agreement: gripper } = report.policy;
    print(
      `against the recorded actions (${chunks} chunks): arm off by ${executed.mean.toFixed(4)} rad on average where executed (most ${executed.max.toFixed(4)}), ${all.mean.toFixed(4)} over whole chunks; gripper the same in ${(100 * gripper).toFixed(1)} %`,
    );
  }
  if (report.agreement)
    print(
      `policy and forecast: ${metres(report.agreement.mean_m)} apart on average, ${metres(report.agreement.max_m)} at most`,
    );
  if (report.execution) showExecution(report.execution);
  for (const { stage, message, count, remedy } of report.refusals)
    print(`refused by ${stage}, ${count} times: ${message} (${remedy})`);
  for (const { kind, message, count } of report.problems)
    print(`${kind} in the recording${count > 1 ? `, ${count} times` : ''}: ${message}`);
  if (report.camera === null) {
    print(
      'no camera was found: a colour image topic needs a CameraInfo topic beside it (.../image_raw and .../camera_info)',
    );
  } else if (forecasting.forecasts === 0 && planning.chunks === 0 && report.refusals.length === 0) {
    print(
      'no forecast was made: nothing says which object is meant. Give --click CAMERA:X,Y, or a recording with point tracks',
    );
  }
  say(`written to ${out}: replay.mcap, report.json${forecasting.forecasts > 0 ? ', overlay.png' : ''}`);
}

function metres(value: number | null): string {
  return value === null ? '-' : `${value.toFixed(4)} m`;
}

function showExecution(execution: ExecutionReport): void {
  const { arm, mode, commands, holds, overruns, chunks, slack_s: slack, command_error_rad: error, stops } = execution;
  print(
    `executed on the ${arm}, ${mode}: ${commands} commands of ${chunks} chunks, ${holds} holds, ${overruns} overruns${slack ? `, ${slack.least.toFixed(2)} s slack at least` : ''}`,
  );
  if (error)
    print(
      `against the recorded commands: off by ${error.mean.toFixed(4)} rad on average, ${error.max.toFixed(4)} at most`,
    );
  const limited = execution.limited.map((reasons) => Object.values(reasons).reduce((sum, n) => sum + n, 0));
  if (limited.some((n) => n > 0)) print(`commands limited, joint by joint: ${limited.join(', ')}`);
  if (execution.start_refused !== null) print(`not started: ${execution.start_refused}`);
  for (const { at_s: at, message, remedy } of stops) print(`stopped at ${at.toFixed(2)} s: ${message} (${remedy})`);
}
