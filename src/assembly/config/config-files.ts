import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ConfigurationError, describeError } from '../../core/errors.js';
import { installedPath } from '../../core/installed-path.js';
import { isTree, type Layer, type SettingsTree, type SettingsValue } from './layers.js';

/** Presets that come with the software. */
export const PRESETS = fileURLToPath(new URL('../../../config/presets/', import.meta.url));

const EXTENDS = 'extends';

/** A configuration file with everything that it extends, what it extends first. @throws ConfigurationError `config.file`, `config.preset`, `config.extends`. */
export async function readConfigFile(file: string): Promise<readonly Layer[]> {
  return readLayers(path.resolve(file), path.basename(file), []);
}

/** @throws ConfigurationError `config.preset` for a name that there is no preset of. */
export async function readPreset(name: string): Promise<readonly Layer[]> {
  return readLayers(await presetFile(name), `preset ${name}`, []);
}

async function readLayers(file: string, origin: string, above: readonly string[]): Promise<readonly Layer[]> {
  if (above.includes(file)) {
    throw new ConfigurationError({
      code: 'config.extends',
      message: `${[...above, file].map((one) => path.basename(one)).join(' extends ')}: this never ends`,
      remedy: 'take one of them out',
    });
  }
  const { [EXTENDS]: bases, ...values } = await readTree(file);
  const layers: Layer[] = [];
  for (const base of basesOf(file, bases)) {
    const isFile = base.includes('/') || /\.ya?ml$/.test(base);
    layers.push(
      ...(await readLayers(
        isFile ? path.resolve(path.dirname(file), base) : await presetFile(base),
        isFile ? path.basename(base) : `preset ${base}`,
        [...above, file],
      )),
    );
  }
  return [...layers, { origin, values }];
}

function basesOf(file: string, bases: SettingsValue | undefined): readonly string[] {
  const list = bases === undefined ? [] : [bases].flat();
  if (list.every((base): base is string => typeof base === 'string' && base !== '')) return list;
  throw new ConfigurationError({
    code: 'config.extends',
    message: `extends of ${file} is ${JSON.stringify(bases)}`,
    remedy: 'give the name of a preset, a file, or a list of them',
  });
}

/** Of the presets that come with the software, in alphabetical order. */
export async function presetNames(): Promise<readonly string[]> {
  const files = await readdir(PRESETS);
  return files.flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -'.yaml'.length)] : [])).sort();
}

/** The comment that a preset begins with: what it is for. @throws ConfigurationError `config.preset`. */
export async function presetPurpose(name: string): Promise<string> {
  const lines = (await readFile(await presetFile(name), 'utf8')).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  return lines
    .slice(0, end)
    .map((line) => line.slice(1).trim())
    .join(' ');
}

async function presetFile(name: string): Promise<string> {
  const known = await presetNames();
  if (known.includes(name)) return path.join(PRESETS, `${name}.yaml`);
  throw new ConfigurationError({
    code: 'config.preset',
    message: `there is no preset "${name}" (there are: ${known.join(', ')})`,
    remedy: 'name one of them, or a file by its path',
  });
}

async function readTree(file: string): Promise<SettingsTree> {
  let data: SettingsValue | undefined;
  try {
    // An empty file parses to null.
    data = (parse(await readFile(file, 'utf8'), { maxAliasCount: 0 }) as SettingsValue) ?? {};
  } catch (cause) {
    throw badFile(file, describeError(cause).split('\n')[0]!, cause);
  }
  if (!isTree(data)) throw badFile(file, 'it is not a map of settings');
  return data;
}

function badFile(file: string, why: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError({
    code: 'config.file',
    message: `${file} cannot be used as a configuration: ${why}`,
    remedy: `give a YAML file like those of ${installedPath('config/presets')}`,
    cause,
  });
}
