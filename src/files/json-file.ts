import { readFile } from 'node:fs/promises';
import { describeError, InputError } from '../core/errors.js';

/** Content of a JSON file. @throws InputError with the code and remedy that are given, naming the file and what is wrong with it. */
export async function readJsonFile(file: string, code: string, remedy: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (cause) {
    throw new InputError({ code, message: `${file} cannot be read: ${describeError(cause)}`, remedy, cause });
  }
}
