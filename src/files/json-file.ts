import { describeError, InputError } from '../core/errors.js';
import { parseJson } from './json-text.js';
import { readInputFile } from './input-file.js';

/** Configurations and small results. The largest that is read, a tokenizer of 150 000 words, has 11 MB. */
const MOST_JSON_BYTES = 64 * 2 ** 20;

/** Content of a JSON file. @throws InputError with the code and remedy that are given, naming the file and what is wrong with it. */
export async function readJsonFile(file: string, code: string, remedy: string): Promise<unknown> {
  try {
    return parseJson((await readInputFile(file, MOST_JSON_BYTES)).toString('utf8'));
  } catch (cause) {
    const why = describeError(cause).replace(`${file} cannot be read: `, '');
    throw new InputError({ code, message: `${file} cannot be read: ${why}`, remedy, cause });
  }
}
