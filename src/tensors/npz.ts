import { unzipSync, zipSync } from 'fflate';
import { InputError } from '../core/errors.js';
import { decodeNpy, encodeNpy, type Tensor } from './npy.js';

/** Point tracks of a long episode have some megabytes; arrays of this size are still unpacked in a second. */
const MOST_ARRAY_BYTES = 128 * 2 ** 20;

/** The arrays of an .npz file by name; each is unpacked and judged when it is asked for, so one that nobody needs does no harm. */
export class NpzFile {
  readonly names: readonly string[];
  readonly #bytes: Uint8Array;
  readonly #what: string;

  /** @throws InputError `npz.format` when the bytes are no zip. */
  constructor(bytes: Uint8Array, what = 'the file') {
    this.#bytes = bytes;
    this.#what = what;
    const names: string[] = [];
    this.#unzip(({ name }) => {
      names.push(arrayName(name));
      return false;
    });
    this.names = names;
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  /** @throws InputError `npz.missing` that lists what there is; `npz.format` and `npy.format` for an array that cannot be read. */
  get(name: string): Tensor {
    const member = this.#unzip((file) => {
      if (arrayName(file.name) !== name) return false;
      if (file.originalSize <= MOST_ARRAY_BYTES) return true;
      throw this.#unusable(
        `${name} unpacks to ${file.originalSize} bytes, more than the ${MOST_ARRAY_BYTES} that are read`,
      );
    })[0];
    if (member) return decodeNpy(member, `${name} in ${this.#what}`);
    throw new InputError({
      code: 'npz.missing',
      message: `${this.#what} has no array "${name}" (it has: ${this.names.join(', ')})`,
      remedy: 'give a file of the documented layout',
    });
  }

  #unzip(filter: (file: { readonly name: string; readonly originalSize: number }) => boolean): Uint8Array[] {
    try {
      return Object.values(unzipSync(this.#bytes, { filter }));
    } catch (cause) {
      if (cause instanceof InputError) throw cause;
      throw this.#unusable(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  #unusable(why: string, cause?: unknown): InputError {
    return new InputError({
      code: 'npz.format',
      message: `${this.#what} is not a usable .npz file: ${why}`,
      remedy: 'save it with numpy.savez',
      cause,
    });
  }
}

function arrayName(member: string): string {
  return member.replace(/\.npy$/, '');
}

export function encodeNpz(tensors: Readonly<Record<string, Tensor>>): Uint8Array {
  const members = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [`${name}.npy`, encodeNpy(tensor)]),
  );
  // A fixed time, so that the same arrays give the same bytes.
  return zipSync(members, { level: 0, mtime: new Date(1980, 0, 1) });
}
