import path from 'node:path';
import { Command, Option } from 'commander';
import type { Layer } from '../../assembly/config/layers.js';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { modelsOf, type ModelSource } from '../../assembly/model-source.js';
import type { Arm } from '../../core/arm.js';
import { CancelledError } from '../../core/errors.js';
import { episodesReport, type EpisodeResult } from '../../evaluation/episodes.js';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { EpisodeStory } from '../../runs/episode-story.js';
import { runEpisode } from '../../runs/episode.js';
import type { SceneConfig } from '../../simulator/scene-config.js';
import { episodesPage, type EpisodeSection } from '../../visualization/episodes-page.js';
import { credits } from '../credits.js';
import { removeEarlierResults } from '../earlier-results.js';
import {
  episodeConfig,
  episodeScenes,
  NANO,
  withEpisodeOptions,
  type EpisodeCommandOptions,
} from '../episode-options.js';
import { episodeSection } from '../episode-section.js';
import { EXIT } from '../exit-codes.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { makeFolder } from '../output-folder.js';
import { print, say, toJson } from '../terminal.js';

/** Of a demo: with `--overwrite`, episodes of an earlier one do not stay beside the new report. */
const EARLIER_RESULTS = /^(episode_\d+\.mcap|report\.html|report\.json)$/;

interface DemoOptions extends EpisodeCommandOptions {
  readonly out: string;
  readonly clock: 'virtual' | 'real';
  readonly json?: string;
}

export function demoCommand(): Command {
  return withEpisodeOptions(
    new Command('demo')
      .description(
        'a simulated Franka sees, forecasts, plans and puts things where it is told, with a report to look at',
      )
      .option('--out <dir>', 'folder for report.html, report.json and an MCAP of each episode', 'demo'),
    NANO,
  )
    .addOption(
      new Option('--clock <clock>', 'as fast as the computer, or in real time')
        .choices(['virtual', 'real'])
        .default('virtual'),
    )
    .option('--json <file>', 'write the report elsewhere too; - for stdout, in place of the summary')
    .addHelpText(
      'after',
      `\nThe models that are shipped forecast and plan (preset nano); --forecaster truth --planner rigid shows the loop without a trained model.\nExit code ${EXIT.failed} when an episode fails.`,
    )
    .action(run);
}

/** In real time the robot is silent while the stages compute, with which it shares a thread. */
const REAL_TIME: Layer = {
  origin: '--clock real',
  values: { execution: { watchdog: { images_s: 1, joints_s: 1, transforms_s: 1 } } },
};

interface Demo {
  readonly options: DemoOptions;
  readonly config: NodeConfig;
  readonly arm: Arm;
  readonly scenes: SceneConfig;
  readonly models: ModelSource;
}

async function run(options: DemoOptions): Promise<void> {
  const { out, count, seed } = options;
  const config = await episodeConfig(options, NANO, options.clock === 'real' ? REAL_TIME : undefined);
  const [arm, scenes] = await Promise.all([loadArm(config.arm.model), episodeScenes(options.scene, NANO)]);
  await makeFolder(out);
  const models = modelsOf(config);
  const results: EpisodeResult[] = [];
  const sections: EpisodeSection[] = [];
  let horizonS: number | null = null;
  const began = performance.now();
  try {
    await removeEarlierResults(out, EARLIER_RESULTS);
    await interruptible(async (signal) => {
      for (let i = 0; i < count; i++) {
        const {
          result,
          section,
          horizonS: reach,
        } = await episode({ options, config, arm, scenes, models }, seed + i, signal);
        results.push(result);
        sections.push(section);
        horizonS ??= reach;
        say(`${i + 1}/${count} ${section.title}: ${section.result}`);
      }
      if (signal.aborted) throw new CancelledError('the demo');
    });
  } finally {
    await models.close();
  }
  const wallS = (performance.now() - began) / 1000;
  const { forecaster } = config.forecasting;
  const { planner } = config.planning;
  const report = episodesReport(forecaster, planner, results, wallS);
  const { succeeded } = report.success;
  const summary = `${succeeded} of ${count} succeeded; ${report.simulated_s.toFixed(0)} s simulated in ${wallS.toFixed(0)} s.`;
  await writeAtomically(path.join(out, 'report.json'), `${toJson(report)}\n`);
  await writeAtomically(
    path.join(out, 'report.html'),
    episodesPage({ title: 'molmo_motion_planner: the demo', credits: credits(config), summary, horizonS }, sections),
  );
  await reportResult(options.json, report, () => {
    print(`${summary} ${credits(config)}`);
  });
  say(`look at ${path.join(out, 'report.html')}; open ${path.join(out, 'episode_*.mcap')} in Foxglove or Lichtblick`);
  if (succeeded < count) process.exitCode = EXIT.failed;
}

async function episode(
  { options, config, arm, scenes, models }: Demo,
  seed: number,
  signal: AbortSignal,
): Promise<{ readonly result: EpisodeResult; readonly section: EpisodeSection; readonly horizonS: number | null }> {
  const story = new EpisodeStory();
  const recording = `episode_${seed}.mcap`;
  const result = await runEpisode({
    config: { ...config, recording: { ...config.recording, file: path.join(options.out, recording) } },
    models,
    scenes,
    seed,
    timeLimitS: options.timeLimit,
    clock: options.clock,
    keepRecording: 'always',
    watch: (running) => {
      story.watch(running);
    },
    signal,
  });
  return { result, section: await episodeSection(result, story, arm, recording), horizonS: story.horizonS };
}
