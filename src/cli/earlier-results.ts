import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { OutputError } from '../core/errors.js';

/** Options whose value is a file or a folder that a command writes; `-` is stdout. */
const OUTPUT_OPTIONS = ['out', 'image', 'json', 'trace', 'keepFailed'] as const;

/** `episodes` goes on where an earlier run was cut off: what is in its folder is kept. */
const KEEPS_WHAT_IS_THERE: ReadonlySet<string> = new Set(['molmo-motion episodes']);

/** Adds `--overwrite` to a command that writes files, or whose parent has the option for them. */
export function withOverwrite(command: Command): Command {
  const names = [command, ...ancestors(command)].flatMap(({ options }) => options.map((o) => o.attributeName()));
  if (!OUTPUT_OPTIONS.some((name) => names.includes(name)) || KEEPS_WHAT_IS_THERE.has(fullName(command)))
    return command;
  return command.option('--overwrite', 'replace results that are there already');
}

/**
 * Earlier results are replaced only when that is asked for. This is checked before the work begins.
 * @throws OutputError `output.exists` for a file that exists, or a folder that is not empty.
 */
export async function refuseEarlierResults(command: Command): Promise<void> {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  if (options['overwrite'] === true || KEEPS_WHAT_IS_THERE.has(fullName(command))) return;
  for (const name of OUTPUT_OPTIONS) {
    const value = options[name];
    if (typeof value !== 'string' || value === '-') continue;
    const standing = await stat(value).catch(() => null);
    if (standing?.isFile()) throw exists(`${value} exists already`, 'file');
    if (standing?.isDirectory() && (await readdir(value)).length > 0)
      throw exists(`the folder ${value} is not empty`, 'folder');
  }
}

/** Removes the files of an earlier run from a folder, by their names, so that they do not stand beside the new ones. */
export async function removeEarlierResults(folder: string, names: RegExp): Promise<void> {
  for (const name of await readdir(folder)) if (names.test(name)) await rm(path.join(folder, name));
}

function exists(message: string, what: 'file' | 'folder'): OutputError {
  return new OutputError({
    code: 'output.exists',
    message,
    remedy: `give --overwrite to replace earlier results, or another ${what}`,
  });
}

function fullName(command: Command): string {
  return [...ancestors(command).toReversed(), command].map((c) => c.name()).join(' ');
}

function ancestors(command: Command): readonly Command[] {
  return command.parent ? [command.parent, ...ancestors(command.parent)] : [];
}
