import { Option, type Command } from 'commander';
import { treeOf, type Layer, type SettingsValue } from '../assembly/config/layers.js';
import { parseRemap, type ConfigSources, type Remap } from '../assembly/config/load-config.js';
import { FORECASTERS } from '../assembly/forecasters.js';
import { GROUNDERS } from '../assembly/grounders.js';
import { PLANNERS } from '../assembly/planners.js';
import { PROVIDERS, type Provider } from '../inference/worker-messages.js';
import type { QueueOptions } from '../execution/chunk-queue.js';
import {
  cameraClick,
  cameraName,
  countingNumber,
  draftLength,
  notNegative,
  positiveNumber,
  wholeNumber,
  type CameraClick,
} from './arguments.js';

/** What every command that assembles the stages takes. Each option is a short name for settings of the configuration. */
export interface ConfigCommandOptions {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly remap?: readonly Remap[];
  readonly grounder?: string;
  readonly forecaster?: string;
  readonly planner?: string;
  readonly instruction?: string;
  readonly camera?: string;
  readonly click?: readonly CameraClick[];
  readonly steps?: number;
  readonly maxNewTokens?: number;
  readonly draft?: number | 'off';
  readonly period?: number;
  readonly policyCamera?: readonly (readonly [string, string])[];
  readonly arm?: string;
  readonly mode?: QueueOptions['mode'];
  readonly latency?: number;
  readonly blend?: number;
  readonly maxDelta?: number;
  readonly gate?: number;
  readonly provider?: Provider;
  readonly threads?: number;
  readonly timeout?: number;
}

export function several(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

function remaps(text: string, earlier: readonly Remap[] = []): readonly Remap[] {
  return [...earlier, parseRemap(text)];
}

/** The configuration itself. */
export function withConfigFile(command: Command): Command {
  return command
    .option('--config <file>', 'configuration, YAML (docs/configuration.md; molmo-motion config checks it)')
    .option('--set <path=value>', 'one setting of the configuration; repeatable', several)
    .option('--remap <from:=to>', 'another name for a topic or service; repeatable', remaps);
}

/** The configuration and who does what. */
export function withConfigOptions(command: Command): Command {
  return withConfigFile(command)
    .option('--grounder <name>', `who finds the object: ${GROUNDERS.words}`)
    .option('--forecaster <name>', `who forecasts: ${FORECASTERS.words}`)
    .option('--steps <n>', 'future steps that are forecast (default: 30)', countingNumber)
    .option(
      '--max-new-tokens <n>',
      'longest answer of a forecasting bundle (default: 160 for each step)',
      countingNumber,
    )
    .option(
      '--draft <n|off>',
      'tokens that are guessed in a pass of a forecasting bundle; they never change the answer (default: 8)',
      draftLength,
    )
    .option('--instruction <text>', 'what to do, in place of what the world says')
    .option(
      '--camera <name>',
      'camera that forecasts start from (default: that of a click or of the tracks, else the first with depth)',
    )
    .option('--click <[camera:]x,y>', 'pixel on the object; repeatable', cameraClick)
    .addOption(new Option('--provider <name>', 'where models run (default: cpu)').choices(PROVIDERS))
    .option('--threads <n>', 'threads of one operator of a model (default: one for each core)', countingNumber)
    .option('--timeout <ms>', 'longest time of one run of a model, milliseconds', countingNumber);
}

/** Planning and execution. */
export function withPlanningOptions(command: Command): Command {
  return command
    .option('--planner <name>', `who plans: ${PLANNERS.words}`)
    .option('--policy-camera <name=camera>', "camera in place of one of the policy's; repeatable", cameraName)
    .option('--period <seconds>', 'least time between two forecasts or compared chunks', positiveNumber)
    .option('--arm <name>', 'arm whose limits the commands keep: fr3, panda, or a YAML file (default: fr3)')
    .addOption(
      new Option(
        '--mode <mode>',
        'whether the next chunk is planned while the current one plays, or waited for (default: of the configuration)',
      ).choices(['asynchronous', 'synchronous']),
    )
    .option(
      '--latency <seconds>',
      'time that a chunk is taken to need: the clock stands still while it is made',
      notNegative,
    )
    .option('--blend <steps>', 'steps over which a chunk takes over from the one before', wholeNumber)
    .option('--max-delta <rad>', 'furthest that a command may be from the measured joints', positiveNumber)
    .option(
      '--gate <m>',
      'chunks that lead the gripper further than this from the forecast object are not executed',
      positiveNumber,
    );
}

/** Where the configuration of a command comes from. */
export interface CommandWorld {
  /** Of the kind of world that the command runs in; a robot has none, because the defaults are made for it. */
  readonly preset?: 'replay' | 'simulator' | 'nano';
  /** What this one recording or episode needs beside its preset. */
  readonly world?: Layer;
  /** What the command's other options say, over everything else. */
  readonly flags?: readonly Layer[];
}

export function configSources(options: ConfigCommandOptions, { flags = [], ...world }: CommandWorld): ConfigSources {
  return {
    ...world,
    ...(options.config !== undefined && { file: options.config }),
    ...(options.set && { set: options.set }),
    ...(options.remap && { remaps: options.remap }),
    flags: [...flagLayers(options), ...flags],
  };
}

/** `--seed` of a command that has one scene before it: that of everything that is drawn. */
export function seedFlag(seed: number | undefined): readonly Layer[] {
  return seed === undefined ? [] : [{ origin: '--seed', values: { seed } }];
}

/** Each option that was given, as a layer of its own: an error about it names it. */
function flagLayers(options: ConfigCommandOptions): readonly Layer[] {
  const settings: readonly (readonly [flag: string, value: SettingsValue | undefined, ...paths: string[]])[] = [
    ['--grounder', options.grounder, 'grounding.grounder'],
    ['--forecaster', options.forecaster, 'forecasting.forecaster'],
    ['--steps', options.steps, 'forecasting.options.steps'],
    ['--max-new-tokens', options.maxNewTokens, 'forecasting.options.max_new_tokens'],
    ['--draft', options.draft, 'forecasting.options.draft'],
    ['--camera', options.camera, 'forecasting.camera'],
    ['--period', options.period, 'forecasting.period_s', 'planning.period_s'],
    ['--instruction', options.instruction, 'instruction.text'],
    [
      '--click',
      options.click?.map(({ camera, pixel }) => ({ ...(camera !== undefined && { camera }), pixel: [...pixel] })),
      'grounding.clicks',
    ],
    ['--planner', options.planner, 'planning.planner'],
    ['--policy-camera', options.policyCamera && Object.fromEntries(options.policyCamera), 'planning.cameras'],
    ['--arm', options.arm, 'arm.model'],
    ['--mode', options.mode, 'execution.mode'],
    ['--latency', options.latency, 'execution.latency_s'],
    ['--blend', options.blend, 'execution.blend_steps'],
    ['--max-delta', options.maxDelta, 'execution.limits.max_delta_rad'],
    ['--gate', options.gate, 'execution.gate_m'],
    ['--provider', options.provider, 'inference.provider'],
    ['--threads', options.threads, 'inference.threads'],
    ['--timeout', options.timeout, 'inference.timeout_ms'],
  ];
  return settings.flatMap(([origin, value, ...paths]) =>
    value === undefined ? [] : paths.map((path): Layer => ({ origin, values: treeOf(path.split('.'), value) })),
  );
}
