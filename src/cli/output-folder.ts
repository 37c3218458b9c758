import { mkdir } from 'node:fs/promises';
import { outputError } from '../files/atomic-file.js';

/** @throws OutputError when the folder cannot be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw outputError(folder, cause);
  }
}
