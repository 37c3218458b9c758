import { readFile } from 'node:fs/promises';
import { describeError, InputError } from '../core/errors.js';

/** @throws InputError `input.file` when the file cannot be read. */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new InputError({
      code: 'input.file',
      message: `${file} cannot be read: ${describeError(cause)}`,
      remedy: 'check the path',
      cause,
    });
  }
}

/** UTF-8. @throws InputError `input.file`. */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}
