import { z } from 'zod';
import { InputError } from '../../core/errors.js';

/** Values of options that are off: an option that this software does not know does no harm there. */
function isOff(value: unknown): boolean {
  return value === null || value === false;
}

/**
 * Reads a part of a checkpoint's configuration. Options of training are ignored by name; an option that is unknown, or has a value that the
 * builder does not honour, is refused by name, since leaving it out would give wrong numbers without a word.
 * @throws InputError `checkpoint.option`.
 */
export function readOptions<T extends z.ZodType>(
  file: string,
  path: string,
  value: unknown,
  schema: T,
  ignored: readonly string[] = [],
): z.infer<T> {
  const known = schema instanceof z.ZodObject ? new Set(Object.keys(schema.shape)) : new Set<string>();
  const relevant =
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value).filter(([key, v]) => known.has(key) || !(ignored.includes(key) || isOff(v))),
        )
      : value;
  const parsed = schema.safeParse(relevant);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const at = [path, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    throw refusedOption(
      file,
      `${at}.${issue.keys[0]!}`,
      valueAt(relevant, [...issue.path, issue.keys[0]!]),
      'the option is not known',
    );
  }
  throw refusedOption(file, at, valueAt(relevant, issue.path), issue.message);
}

export function refusedOption(file: string, option: string, value: unknown, why: string): InputError {
  return new InputError({
    code: 'checkpoint.option',
    message: `${file}: ${option} = ${value === undefined ? '(nothing)' : JSON.stringify(value)}: ${why}`,
    remedy: 'this checkpoint needs something that the builder does not do; a newer version may',
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (v, key) => (v !== null && typeof v === 'object' ? (v as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  );
}
