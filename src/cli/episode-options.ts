import { Option, type Command } from 'commander';
import type { Layer } from '../assembly/config/layers.js';
import { loadConfig } from '../assembly/config/load-config.js';
import type { NodeConfig } from '../assembly/config/node-config.js';
import { ConfigurationError } from '../core/errors.js';
import { loadSceneConfig, type SceneConfig } from '../simulator/scene-config.js';
import { installedPath } from '../core/installed-path.js';
import { episodeCount, positiveNumber, wholeNumber } from './arguments.js';
import { configSources, withConfigOptions, withPlanningOptions, type ConfigCommandOptions } from './config-options.js';

/** What every command that lets the node work in the simulator takes. */
export interface EpisodeCommandOptions extends ConfigCommandOptions {
  readonly count: number;
  readonly seed: number;
  readonly scene?: string;
  readonly timeLimit: number;
}

export const DEFAULT_COUNT = 5;
/** `episodes` begins at 0: far from what a model was trained on. */
const DEFAULT_SEED = 1_000_000;
const DEFAULT_TIME_LIMIT_S = 60;

/** What a command plays unless it is told otherwise. */
export interface EpisodeDefaults {
  readonly preset: 'simulator' | 'nano';
  /** Of config/scenes. */
  readonly scene: string;
}

/** The true future and the rigid-motion planner, on the table that is hardest to see. */
export const TABLETOP: EpisodeDefaults = { preset: 'simulator', scene: 'config/scenes/tabletop.yaml' };
/** The trained models that are shipped, on the table that they were trained on. */
export const NANO: EpisodeDefaults = { preset: 'nano', scene: 'config/scenes/nano.yaml' };

export function withEpisodeOptions(command: Command, defaults: EpisodeDefaults): Command {
  command
    .option('--count <n>', 'episodes, each from the next seed', episodeCount, DEFAULT_COUNT)
    .option('--seed <n>', 'of the first; those of training episodes begin at 0', wholeNumber, DEFAULT_SEED)
    .addOption(sceneOption(defaults));
  return withPlanningOptions(withConfigOptions(command)).option(
    '--time-limit <seconds>',
    'of an episode',
    positiveNumber,
    DEFAULT_TIME_LIMIT_S,
  );
}

export function sceneOption({ scene }: EpisodeDefaults): Option {
  return new Option('--scene <file>', `description of the scenes (default: ${installedPath(scene)})`);
}

/** Rejects with the errors of the file. */
export function episodeScenes(file: string | undefined, { scene }: EpisodeDefaults): Promise<SceneConfig> {
  return loadSceneConfig(file ?? installedPath(scene));
}

/**
 * The configuration of simulated episodes.
 * @throws ConfigurationError `config.*`, and `recording.file` for one file in which many episodes would replace one another.
 */
export async function episodeConfig(
  options: EpisodeCommandOptions,
  { preset }: EpisodeDefaults,
  world?: Layer,
): Promise<NodeConfig> {
  const { config } = await loadConfig(configSources(options, { preset, ...(world && { world }) }));
  if (config.recording.file !== null && options.count > 1) {
    throw new ConfigurationError({
      code: 'recording.file',
      message: `recording.file is ${config.recording.file}, and ${options.count} episodes would replace one another in it`,
      remedy: 'leave it out (a demo records every episode, --keep-failed those that fail), or give --count 1',
    });
  }
  return config;
}
