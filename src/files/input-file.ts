import { readFile, stat } from 'node:fs/promises';
import { InputError } from '../core/errors.js';

/**
 * Refuses what is no file: a pipe or a device has no end, and waiting for it would wait for ever.
 * @param mostBytes of a file that is read whole; without it any size will do.
 * @returns its size in bytes. @throws InputError `input.file`.
 */
export async function requireFile(path: string, mostBytes = Infinity): Promise<number> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw refused(path, cause instanceof Error ? cause.message : String(cause), 'check the path', cause);
  });
  if (facts.isDirectory()) throw refused(path, 'it is a directory', 'name a file');
  if (!facts.isFile())
    throw refused(path, 'it is a pipe, a socket or a device', 'name a file; save what a pipe gives first');
  if (facts.size > mostBytes)
    throw refused(
      path,
      `it has ${facts.size} bytes, more than the ${mostBytes} that such a file may have`,
      'check the path',
    );
  return facts.size;
}

/** A file as a whole. @throws InputError `input.file`. */
export async function readInputFile(path: string, mostBytes: number): Promise<Buffer> {
  await requireFile(path, mostBytes);
  return readFile(path).catch((cause: unknown) => {
    throw refused(path, cause instanceof Error ? cause.message : String(cause), 'check the path', cause);
  });
}

function refused(path: string, why: string, remedy: string, cause?: unknown): InputError {
  return new InputError({ code: 'input.file', message: `${path} cannot be read: ${why}`, remedy, cause });
}
