import { existsSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import h5wasm, { Dataset, File, Group } from 'h5wasm/node';
import { ConfigurationError, describeError, InputError } from '../../core/errors.js';
import { decodeJsonRows, trimZeros, type JsonRows } from './json-rows.js';

/** The numbers of a dataset with its shape. */
export interface NumericDataset {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const LZF = 'libH5Zlzf.so';

/** Without its LZF plugin h5wasm gives random bytes instead of an error, so the plugin is looked for first. */
export async function loadLibrary(): Promise<void> {
  const module = await h5wasm.ready;
  const plugins = path.join(
    path.dirname(createRequire(import.meta.url).resolve('h5wasm-plugins/package.json')),
    'plugins',
  );
  if (!existsSync(path.join(plugins, LZF))) {
    throw new ConfigurationError({
      code: 'hdf5.no-lzf',
      message: `the HDF5 plugin ${LZF} is not installed in ${plugins}`,
      remedy: 'run npm ci again',
    });
  }
  if (!module.get_plugin_search_paths().includes(plugins)) module.insert_plugin_search_path(plugins, 0);
}

const MAGIC = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

export async function startsLikeHdf5(location: string): Promise<boolean> {
  const handle = await open(location);
  try {
    const { buffer } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return buffer.equals(MAGIC);
  } finally {
    await handle.close();
  }
}

/** Read access to one HDF5 file. */
export class Hdf5File {
  readonly path: string;
  readonly #file: File;

  private constructor(location: string, file: File) {
    this.path = location;
    this.#file = file;
  }

  /** @throws InputError `hdf5.open` when the file cannot be read as HDF5. */
  static async open(location: string): Promise<Hdf5File> {
    await loadLibrary();
    const fail = (why: string, cause?: unknown): never => {
      throw new InputError({
        code: 'hdf5.open',
        message: `${location} cannot be read as HDF5: ${why}`,
        remedy: 'give a MolmoSpaces trajectories*.h5 file; copy it again if it is cut off',
        cause,
      });
    };
    if (statSync(location).size === 0) fail('it is empty');
    // Asked of the library, the same question prints a page of its internals.
    if (!(await startsLikeHdf5(location))) fail('it does not start as one');
    let file: File;
    try {
      file = new File(location, 'r');
    } catch (cause) {
      return fail(describeError(cause), cause);
    }
    // h5wasm reports some failures only by a negative handle.
    if (Number(file.file_id) < 0) fail('it has no valid HDF5 structure');
    return new Hdf5File(location, file);
  }

  /** Names in a group, sorted; none for a group that is not there. */
  keys(group = '/'): readonly string[] {
    const entity = group === '/' ? this.#file : this.#file.get(group);
    return entity instanceof Group
      ? [...entity.keys()].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      : [];
  }

  shape(name: string): readonly number[] | null {
    return this.#dataset(name)?.shape ?? null;
  }

  /** Integers, floats and booleans as float64; null when there is no such dataset. */
  numbers(name: string): NumericDataset | null {
    const dataset = this.#dataset(name);
    if (!dataset?.shape) return null;
    const { value } = dataset;
    if (!ArrayBuffer.isView(value)) return null;
    return { shape: dataset.shape, data: Float64Array.from(value as unknown as ArrayLike<number>, Number) };
  }

  bytes(name: string): Uint8Array | null {
    const value = this.#dataset(name)?.value;
    return value instanceof Uint8Array
      ? value
      : value instanceof Int8Array
        ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
        : null;
  }

  jsonRows(name: string): JsonRows | null {
    const shape = this.shape(name);
    const bytes = this.bytes(name);
    return shape && bytes ? decodeJsonRows(bytes, shape[0]!) : null;
  }

  /** A scalar string, or zero-padded bytes. */
  text(name: string): string | null {
    const dataset = this.#dataset(name);
    if (!dataset) return null;
    const { value } = dataset;
    if (typeof value === 'string') return value;
    return value instanceof Uint8Array ? trimZeros(value) : null;
  }

  close(): void {
    this.#file.close();
  }

  #dataset(name: string): Dataset | null {
    const entity = this.#file.get(name);
    return entity instanceof Dataset ? entity : null;
  }
}
