import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { OutputError, PlannerError } from '../core/errors.js';

/**
 * A file that appears under its name only when it is complete: bytes go to `NAME.partial` beside it. Aborting, or a full disk, leaves nothing
 * under the final name.
 */
export class AtomicFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #partial: string;
  #position = 0n;

  private constructor(path: string, partial: string, handle: FileHandle) {
    this.path = path;
    this.#partial = partial;
    this.#handle = handle;
  }

  /** @throws OutputError when the file cannot be created. */
  static async create(path: string): Promise<AtomicFile> {
    const partial = `${path}.partial`;
    try {
      const standing = await lstat(path).catch(() => null);
      // Renaming over a device or a pipe would destroy it.
      if (standing && !standing.isFile())
        throw Object.assign(new Error('something that is no file stands under this name'), { code: 'EISDIR' });
      // What an earlier run left behind is replaced; a link is removed, never followed, so that nothing outside of the folder is written.
      await rm(partial, { force: true });
      return new AtomicFile(path, partial, await open(partial, 'wx'));
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  /** The parts one behind the other. @throws OutputError when not everything could be written. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    try {
      let left = parts.filter((part) => part.length > 0);
      while (left.length > 0) {
        const { bytesWritten } = await this.#handle.writev(left.slice(0, MOST_PARTS));
        this.#position += BigInt(bytesWritten);
        // One write may take only a part, as on a disk that is filling up.
        left = dropBytes(left, bytesWritten);
      }
    } catch (cause) {
      throw outputError(this.path, cause);
    }
  }

  get position(): bigint {
    return this.#position;
  }

  /** Makes the file stand under its name. @throws OutputError when the bytes could not be brought to the disk. */
  async commit(): Promise<void> {
    try {
      await this.#handle.close();
      await rename(this.#partial, this.path);
    } catch (cause) {
      await this.abort();
      throw outputError(this.path, cause);
    }
  }

  async abort(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#partial, { force: true });
  }
}

/** Writes a whole small file, or nothing. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const file = await AtomicFile.create(path);
  try {
    await file.write([typeof content === 'string' ? Buffer.from(content) : content]);
  } catch (error) {
    await file.abort();
    throw error;
  }
  await file.commit();
}

/** IOV_MAX of Linux. */
const MOST_PARTS = 1024;

function dropBytes(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left = [...parts];
  for (let drop = bytes; drop > 0;) {
    const first = left.shift()!;
    if (first.length > drop) left.unshift(first.subarray(drop));
    drop -= first.length;
  }
  return left;
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the disk, or choose another --out',
  EDQUOT: 'your quota is used up: free space, or choose another --out',
  EACCES: 'choose a folder that you may write to',
  EPERM: 'choose a folder that you may write to',
  EROFS: 'the file system is read-only: choose another folder',
  ENOENT: 'the folder does not exist: create it first',
  ENOTDIR: 'a part of the path is a file: choose another folder',
  EISDIR: 'choose another name',
};

export function outputError(path: string, cause: unknown): PlannerError {
  if (cause instanceof PlannerError) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new OutputError({
    code: `output.${code.toLowerCase()}`,
    message: `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
    remedy: REMEDIES[code] ?? 'check the disk and the path',
    cause,
  });
}
