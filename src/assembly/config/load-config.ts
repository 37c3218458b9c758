import { parse } from 'yaml';
import { ConfigurationError, describeError } from '../../core/errors.js';
import { configurationError } from './config-errors.js';
import { readConfigFile, readPreset } from './config-files.js';
import { mergeLayers, treeOf, type Layer, type SettingsTree, type SettingsValue } from './layers.js';
import { nodeConfigSchema, type NodeConfig } from './node-config.js';

/** Where settings come from. Later ones win: defaults, `preset`, `world`, `file` with what it extends, `set`, `flags`, `remaps`. */
export interface ConfigSources {
  /** Preset below everything else: that of the world. */
  readonly preset?: string;
  /** What this one recording or robot needs otherwise than its preset says. */
  readonly world?: Layer;
  /** YAML file. */
  readonly file?: string;
  /** `path=value`, the value as YAML. */
  readonly set?: readonly string[];
  /** One layer for each option of a command line. */
  readonly flags?: readonly Layer[];
  /** Topics and services by other names, as `--ros-args --remap` does it. */
  readonly remaps?: readonly Remap[];
}

export interface Remap {
  readonly from: string;
  readonly to: string;
}

export interface LoadedConfig {
  readonly config: NodeConfig;
  /** Where each value that is not a default comes from, by its path. */
  readonly origins: ReadonlyMap<string, string>;
}

/** @throws ConfigurationError `config.*`: one error that names every setting that is wrong. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  return parseLayers(await configLayers(sources));
}

/** Everything that the sources say, the last one the strongest. @throws ConfigurationError `config.*`. */
export async function configLayers(sources: ConfigSources): Promise<readonly Layer[]> {
  const layers: readonly Layer[] = [
    ...(sources.preset === undefined ? [] : await readPreset(sources.preset)),
    ...(sources.world === undefined ? [] : [sources.world]),
    ...(sources.file === undefined ? [] : await readConfigFile(sources.file)),
    ...(sources.set ?? []).map(parseSetting),
    ...(sources.flags ?? []),
  ];
  const { remaps = [] } = sources;
  if (remaps.length === 0) return layers;
  const { config } = parseLayers(layers);
  return [...layers, ...remaps.map((remap) => remapLayer(remap, config))];
}

/** @throws ConfigurationError `config.key`, `config.value`. */
export function parseLayers(layers: readonly Layer[]): LoadedConfig {
  const merged = mergeLayers(layers);
  const parsed = nodeConfigSchema.safeParse(merged.values);
  if (!parsed.success) throw configurationError(parsed.error, merged);
  return { config: parsed.data, origins: merged.origins };
}

/** `FROM:=TO`, as ROS writes it. @throws ConfigurationError `config.remap`. */
export function parseRemap(text: string): Remap {
  const [, from, to] = /^([^:=\s]+):=([^:=\s]+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return { from, to };
  throw new ConfigurationError({
    code: 'config.remap',
    message: `"${text}" is no remapping`,
    remedy: 'give FROM:=TO, such as /joint_states:=/robot/joints',
  });
}

function parseSetting(text: string): Layer {
  const at = text.indexOf('=');
  const path = text.slice(0, at).trim().split('.');
  if (at < 1 || path.some((key) => key === '')) {
    throw new ConfigurationError({
      code: 'config.set',
      message: `"${text}" sets nothing`,
      remedy: 'give PATH=VALUE, such as execution.mode=synchronous',
    });
  }
  try {
    const value = parse(text.slice(at + 1), { maxAliasCount: 0 }) as SettingsValue;
    return { origin: `--set ${path.join('.')}`, values: treeOf(path, value) };
  } catch (cause) {
    throw new ConfigurationError({
      code: 'config.set',
      message: `the value of "${text}" is not YAML: ${describeError(cause).split('\n')[0]!}`,
      remedy: 'quote it',
      cause,
    });
  }
}

/** Everything that is called `from`, under its new name. */
function remapLayer({ from, to }: Remap, { topics, cameras }: NodeConfig): Layer {
  const names = Object.entries(topics);
  const renamed = names.filter(([, name]) => name === from).map(([role]) => treeOf(['topics', role], to));
  const listed = cameras === 'auto' ? [] : Object.entries(cameras);
  for (const [camera, section] of listed)
    for (const [key, name] of Object.entries({ color: section?.color, depth: section?.depth, info: section?.info }))
      if (name === from) renamed.push(treeOf(['cameras', camera, key], to));
  if (renamed.length === 0) {
    throw new ConfigurationError({
      code: 'config.remap',
      message: `nothing is called ${from} here (names are: ${[...new Set(names.map(([, name]) => name))].join(', ')})`,
      remedy: cameras === 'auto' ? 'topics of cameras are set under cameras' : 'give one of these names',
    });
  }
  const { values } = mergeLayers(renamed.map((tree): Layer => ({ origin: '', values: tree })));
  return { origin: `--remap ${from}:=${to}`, values: values satisfies SettingsTree };
}
