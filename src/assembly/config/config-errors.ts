import leven from 'leven';
import type { z } from 'zod';
import { ConfigurationError } from '../../core/errors.js';
import { isTree, type MergedSettings, type SettingsValue } from './layers.js';
import { allowed, keysOf, nodeAt, settings } from './schema-tree.js';

type Path = readonly (string | number)[];

/** All that is wrong, each with its path, its value, what is allowed, and where it was written. */
export function configurationError(error: z.ZodError, merged: MergedSettings): ConfigurationError {
  const problems = error.issues.flatMap((issue) => explain(issue, [], merged));
  const unknown = error.issues.some(({ code }) => code === 'unrecognized_keys');
  return new ConfigurationError({
    code: unknown ? 'config.key' : 'config.value',
    message: [...new Set(problems)].join('; '),
    remedy: 'correct it; docs/configuration.md and `molmo-motion config` list every setting',
  });
}

function explain(issue: z.core.$ZodIssue, above: Path, merged: MergedSettings): readonly string[] {
  const path: Path = [...above, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const unknown = [...path, key];
      return `${unknown.join('.')}${writtenIn(unknown, merged)} is no setting${nearest(path, key)}`;
    });
  if (issue.code === 'invalid_union') {
    const branch = deepest(issue.errors);
    if (branch) return branch.flatMap((inner) => explain(inner, path, merged));
  }
  const value = valueAt(merged.values, path);
  const node = nodeAt(path);
  const what = issue.code === 'custom' || node === null ? issue.message : `allowed is ${allowed(node)}`;
  return [`${path.join('.')}${writtenIn(path, merged)} is ${shown(value)}: ${what}`];
}

/** Of the readings of a value, the one that it fits furthest: a map that is nearly right is not told that it might be a word. */
function deepest(readings: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | null {
  const depth = (issues: readonly z.core.$ZodIssue[]): number =>
    Math.max(...issues.map(({ path, code }) => path.length + (code === 'unrecognized_keys' ? 1 : 0)));
  const best = [...readings].sort((a, b) => depth(b) - depth(a))[0];
  return best && depth(best) > 0 ? best : null;
}

/** The key that may have been meant: one of the same name elsewhere, or one like it beside it; or else what is allowed there. */
function nearest(path: Path, key: string): string {
  const beside = keysOf(nodeAt(path) ?? {});
  const same = settings().find((leaf) => leaf.path.endsWith(`.${key}`));
  if (same) return `; the nearest is ${same.path}`;
  const [closest] = [...beside].sort((a, b) => leven(a, key) - leven(b, key));
  if (closest !== undefined && leven(closest, key) <= Math.max(2, key.length / 3))
    return `; the nearest is ${[...path, closest].join('.')}`;
  return beside.length === 0 ? '' : `; there are ${beside.map((name) => [...path, name].join('.')).join(', ')}`;
}

function writtenIn(path: Path, { origins }: MergedSettings): string {
  const dotted = path.join('.');
  for (const [known, origin] of origins)
    if (known === dotted || known.startsWith(`${dotted}.`) || dotted.startsWith(`${known}.`)) return ` (${origin})`;
  return '';
}

function valueAt(values: SettingsValue, path: Path): SettingsValue | undefined {
  let value: SettingsValue | undefined = values;
  for (const key of path) {
    if (Array.isArray(value)) value = (value as readonly SettingsValue[])[Number(key)];
    else value = isTree(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

/** Long values are cut: an error is one line. */
const LONGEST_VALUE = 80;

function shown(value: SettingsValue | undefined): string {
  if (value === undefined) return 'not given';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
}
