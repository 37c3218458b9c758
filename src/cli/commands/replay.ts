import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { treeOf } from '../../assembly/config/layers.js';
import { loadConfig, type ConfigSources } from '../../assembly/config/load-config.js';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { modelsOf } from '../../assembly/model-source.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { openRecording } from '../../recordings/open-recording.js';
import type { Recording } from '../../recordings/recording.js';
import { FAULTS, parseFault, type InjectedFault } from '../../runs/faults.js';
import type { ExecutionReport, ReplayReport } from '../../runs/replay-report.js';
import { replay } from '../../runs/replay.js';
import { anyNumber, positiveNumber, wholeNumber } from '../arguments.js';
import {
  configSources,
  seedFlag,
  withConfigOptions,
  withPlanningOptions,
  type ConfigCommandOptions,
} from '../config-options.js';
import { overlayPng } from '../../visualization/overlay.js';
import { forecastOverlay } from '../forecast-overlay.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { makeFolder } from '../output-folder.js';
import { print, progressBar, say, toJson } from '../terminal.js';

export interface ReplayCommandOptions extends ConfigCommandOptions {
  readonly out: string;
  readonly fault?: readonly InjectedFault[];
  readonly trajectory?: number;
  readonly seed?: number;
  readonly from?: number;
  readonly duration?: number;
  readonly json?: string;
}

function injectedFaults(text: string, earlier: readonly InjectedFault[] = []): readonly InjectedFault[] {
  return [...earlier, parseFault(text)];
}

export function replayCommand(): Command {
  const command = new Command('replay')
    .description('play a recording through the stages: query points, forecasts, plans, pictures and a report')
    .argument('<recording>', 'MCAP file or rosbag2 directory, MolmoSpaces .h5, or clip directory')
    .requiredOption('--out <dir>', 'folder for replay.mcap, report.json and overlay.png');
  return withPlanningOptions(withConfigOptions(command))
    .option('--seed <n>', 'seed of everything that is drawn (default: 0)', wholeNumber)
    .option('--trajectory <n>', 'trajectory of a MolmoSpaces file (default: the first)', wholeNumber)
    .option('--from <seconds>', 'start of the part to play', anyNumber)
    .option('--duration <seconds>', 'length of the part to play', positiveNumber)
    .option(
      '--fault <name@seconds>',
      `something that goes wrong from then on, such as camera-stall@3.2s; repeatable (${Object.keys(FAULTS).join(', ')})`,
      injectedFaults,
    )
    .option('--json <file>', 'write the report; - for stdout, in place of the text')
    .action(async (location: string, options: ReplayCommandOptions) => {
      const report = await runReplay(location, options);
      await reportResult(options.json, report, () => {
        summarize(report, options.out);
      });
    });
}

/** Writes the three files of a replay. Nothing stands under a final name when it fails or is cancelled. */
export async function runReplay(location: string, options: ReplayCommandOptions): Promise<ReplayReport> {
  const recording = await openRecording(location, { trajectory: options.trajectory });
  try {
    const { config } = await loadConfig(sourcesOf(recording, options));
    return await replayInto(recording, config, options);
  } finally {
    await recording.close();
  }
}

function sourcesOf({ kind }: Recording, options: ReplayCommandOptions): ConfigSources {
  return configSources(options, {
    preset: 'replay',
    // What an MCAP holds compressed is not compressed a second time.
    world: { origin: 'the recording', values: treeOf(['recording', 'compression'], kind === 'mcap' ? 'none' : 'zstd') },
    flags: [
      ...seedFlag(options.seed),
      { origin: '--out', values: treeOf(['recording', 'file'], path.join(options.out, 'replay.mcap')) },
    ],
  });
}

async function replayInto(
  recording: Recording,
  config: NodeConfig,
  options: ReplayCommandOptions,
): Promise<ReplayReport> {
  await makeFolder(options.out);
  const models = modelsOf(config);
  const bar = progressBar('replay');
  try {
    const outcome = await interruptible((signal) =>
      replay(recording, {
        config,
        models,
        ...(options.fault && { faults: options.fault }),
        ...(options.from !== undefined && { fromS: options.from }),
        ...(options.duration !== undefined && { durationS: options.duration }),
        signal,
        onProgress: bar.update,
      }),
    ).finally(bar.stop);
    await writeAtomically(path.join(options.out, 'report.json'), `${toJson(outcome.report)}\n`);
    const { highlight } = outcome;
    const overlay = highlight && (await overlayPng(await forecastOverlay(highlight, { truth: highlight.truth })));
    // A picture of an earlier replay must not stand beside this report.
    if (overlay) await writeAtomically(path.join(options.out, 'overlay.png'), overlay);
    else await rm(path.join(options.out, 'overlay.png'), { force: true });
    return outcome.report;
  } finally {
    await models.close();
  }
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
