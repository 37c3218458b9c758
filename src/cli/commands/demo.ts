import path from 'node:path';
import { Command, Option } from 'commander';
import type { Arm } from '../../core/arm.js';
import { CancelledError } from '../../core/errors.js';
import { percentile } from '../../core/statistics.js';
import { episodesReport, type EpisodeResult } from '../../evaluation/episodes.js';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { runEpisode } from '../../node/closed-loop.js';
import { EpisodeStory, type StoryPicture } from '../../node/episode-story.js';
import { loadSceneConfig, type SceneConfig } from '../../simulator/scene-config.js';
import { animationWebp } from '../../visualization/animation.js';
import { episodesPage, type EpisodeSection } from '../../visualization/episodes-page.js';
import { jointTracesSvg } from '../../visualization/joint-traces.js';
import { planPicturePng } from '../../visualization/plan-picture.js';
import { cameraName, countingNumber, episodeCount, wholeNumber } from '../arguments.js';
import { openEpisodeModels, type EpisodeModels } from '../episode-models.js';
import { removeEarlierResults } from '../earlier-results.js';
import { forecastOverlay } from '../forecast-overlay.js';
import { EXIT } from '../exit-codes.js';
import { DEFAULT_STEPS } from '../forecasters.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import { makeFolder } from '../output-folder.js';
import { print, printJson, say, toJson } from '../terminal.js';
import { DEFAULT_EPISODE } from './evaluate-episodes.js';

/** Of a demo: with `--overwrite`, episodes of an earlier one do not stay beside the new report. */
const EARLIER_RESULTS = /^(episode_\d+\.mcap|report\.html|report\.json)$/;

interface DemoOptions extends ModelCommandOptions {
  readonly out: string;
  readonly episodes: number;
  readonly seed: number;
  readonly forecaster: string;
  readonly planner: string;
  readonly policyCamera?: readonly (readonly [string, string])[];
  readonly maxNewTokens?: number;
  readonly instruction?: string;
  readonly scene?: string;
  readonly clock: 'virtual' | 'real';
  readonly json?: boolean;
}

export function demoCommand(): Command {
  return withModelOptions(
    new Command('demo')
      .description(
        'a simulated Franka sees, forecasts, plans and puts things where it is told, with a report to look at',
      )
      .option('--out <dir>', 'folder for report.html, report.json and an MCAP of each episode', 'demo')
      .option('--episodes <n>', 'episodes, each from the next seed', episodeCount, 5)
      .option('--seed <n>', 'of the first', wholeNumber, 0)
      .option(
        '--forecaster <name>',
        'recorded (the true future, from the scripted expert), static, extrapolate, or the folder of a bundle',
        'recorded',
      )
      .option('--planner <name>', 'rigid, or the folder of a bundle', 'rigid')
      .option('--policy-camera <name=camera>', "camera in place of one of the policy's; repeatable", cameraName)
      .option(
        '--max-new-tokens <n>',
        'longest answer of a forecasting bundle (default: 160 for each step)',
        countingNumber,
      )
      .option('--instruction <text>', 'in place of the task of each scene; it names an object and a receptacle')
      .option('--scene <file>', 'description of the scenes (default: config/scenes/tabletop.yaml)')
      .addOption(
        new Option('--clock <clock>', 'as fast as the computer, or in real time')
          .choices(['virtual', 'real'])
          .default('virtual'),
      )
      .option('--json', 'print the report to stdout')
      .addHelpText('after', `\nExit code ${EXIT.failed} when an episode fails.`),
  ).action(run);
}

async function run(options: DemoOptions): Promise<void> {
  const { out, episodes, seed, forecaster, planner } = options;
  const [arm, config] = await Promise.all([loadArm('fr3'), loadSceneConfig(options.scene)]);
  await makeFolder(out);
  const models = await openEpisodeModels({
    arm,
    forecaster,
    planner,
    steps: DEFAULT_STEPS,
    seed: 0,
    policyCameras: options.policyCamera ?? [],
    ...(options.maxNewTokens !== undefined && { maxNewTokens: options.maxNewTokens }),
    model: modelOptions(options),
  });
  const results: EpisodeResult[] = [];
  const sections: EpisodeSection[] = [];
  const began = performance.now();
  try {
    await removeEarlierResults(out, EARLIER_RESULTS);
    await interruptible(async (signal) => {
      for (let i = 0; i < episodes; i++) {
        const { result, section } = await episode(seed + i, arm, config, models, options, signal);
        results.push(result);
        sections.push(section);
        say(`${i + 1}/${episodes} ${section.title}: ${section.result}`);
      }
      if (signal.aborted) throw new CancelledError('the demo');
    });
  } finally {
    await models.close();
  }
  const wallS = (performance.now() - began) / 1000;
  const report = episodesReport(forecaster, planner, results, wallS);
  const { succeeded } = report.success;
  const summary = `${succeeded} of ${episodes} succeeded. Forecaster: ${forecaster}; planner: ${planner}; ${report.simulated_s.toFixed(0)} s simulated in ${wallS.toFixed(0)} s.`;
  await writeAtomically(path.join(out, 'report.json'), `${toJson(report)}\n`);
  await writeAtomically(
    path.join(out, 'report.html'),
    episodesPage('molmo_motion_planner: the demo', summary, sections),
  );
  if (options.json) printJson(report);
  else print(summary);
  say(`look at ${path.join(out, 'report.html')}; open ${path.join(out, 'episode_*.mcap')} in Foxglove or Lichtblick`);
  if (succeeded < episodes) process.exitCode = EXIT.failed;
}

async function episode(
  seed: number,
  arm: Arm,
  config: SceneConfig,
  models: EpisodeModels,
  options: DemoOptions,
  signal: AbortSignal,
): Promise<{ readonly result: EpisodeResult; readonly section: EpisodeSection }> {
  const story = new EpisodeStory();
  const recording = `episode_${seed}.mcap`;
  const result = await runEpisode({
    ...models,
    arm,
    config,
    seed,
    mode: DEFAULT_EPISODE.mode,
    latencyS: DEFAULT_EPISODE.latency,
    timeLimitS: DEFAULT_EPISODE.timeLimit,
    clock: options.clock,
    ...(options.instruction !== undefined && { instruction: options.instruction }),
    record: { file: path.join(options.out, recording), keep: 'always' },
    watch: (parts) => {
      story.watch(parts);
    },
    signal,
  });
  return { result, section: await sectionOf(result, story, arm, recording) };
}

async function sectionOf(
  result: EpisodeResult,
  story: EpisodeStory,
  arm: Arm,
  recording: string,
): Promise<EpisodeSection> {
  const { highlight, followed, commanded, measured, tool } = story;
  const error = result.forecast_error_m;
  const latency = percentile(result.chunk_latencies_ms, 95);
  const ms = Number.isNaN(latency) ? '-' : `${latency.toFixed(0)} ms`;
  const cm = error ? `${(100 * error.ADE).toFixed(1)} cm` : '-';
  const end = result.success ? `in place after ${result.simulated_s.toFixed(1)} s` : result.failure!.message;
  const limited = Object.entries(result.limited).map(([reason, times]) => `${reason} ${times}`);
  return {
    title: result.instruction,
    success: result.success,
    result: `${end}; forecast error ${cm}, chunks within ${ms}`,
    figures: [
      ['seed', String(result.seed)],
      [
        'forecasts',
        `${result.forecasts}${error ? `; of the held object ADE ${error.ADE.toFixed(4)} m, FDE ${error.FDE.toFixed(4)} m` : ''}`,
      ],
      ['chunks', `${result.chunk_latencies_ms.length}, 95 % within ${ms}`],
      [
        'commands',
        `${result.commands}, ${result.holds} of them holding; joints limited: ${limited.join(', ') || 'never'}`,
      ],
      ['computing', `${result.simulated_s.toFixed(1)} s in ${result.wall_s.toFixed(1)} s`],
      ...result.stops.map(({ at_s: at, message }): [string, string] => [
        'stopped',
        `at ${at.toFixed(1)} s: ${message}`,
      ]),
    ],
    pictures: [
      ...(story.pictures.length > 1
        ? [
            {
              caption: 'What the camera saw, with the forecasts',
              data: await animationOf(story.pictures),
              type: 'webp' as const,
            },
          ]
        : []),
      ...(highlight
        ? [
            {
              caption: 'The forecast with the longest motion',
              data: await forecastOverlay(highlight),
              type: 'png' as const,
            },
          ]
        : []),
      ...(followed.length > 0 && tool.length > 1
        ? [
            {
              caption:
                "Forecasts while the object was held (coloured by time), and the way of the tool (black), in the arm's base",
              data: await planPicturePng({ points: followed, tool, caption: result.instruction }),
              type: 'png' as const,
            },
          ]
        : []),
    ],
    drawings:
      commanded.length > 0
        ? [{ caption: 'Joints, between their limits', svg: jointTracesSvg(arm, commanded, measured) }]
        : [],
    recording: result.simulated_s > 0 ? recording : null,
  };
}

async function animationOf(pictures: readonly StoryPicture[]): Promise<Buffer> {
  const frames = await Promise.all(
    pictures.map(({ image, result, timeS }) =>
      forecastOverlay(result, { image, caption: `${timeS.toFixed(1)} s  ${result.forecast.instruction}` }),
    ),
  );
  return animationWebp(frames, (1000 * (pictures.at(-1)!.timeS - pictures[0]!.timeS)) / (pictures.length - 1));
}
