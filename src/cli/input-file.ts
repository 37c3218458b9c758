import { readInputFile } from '../files/input-file.js';

/** Predictions and point tracks of a long evaluation have some hundred megabytes. */
const MOST_BYTES = 2 ** 30;

/** @throws InputError `input.file` when the file cannot be read. */
export function readBytes(file: string): Promise<Buffer> {
  return readInputFile(file, MOST_BYTES);
}

/** UTF-8. @throws InputError `input.file`. */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}
