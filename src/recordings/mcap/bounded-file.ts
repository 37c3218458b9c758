import type { FileHandle } from 'node:fs/promises';
import type { McapTypes } from '@mcap/core';

/** Of one read: the summary of a terabyte in chunks of a megabyte has less. */
const MOST_READ_BYTES = 128 * 2 ** 20;

/** A file for the index reader, which believes the lengths that the file gives: they are checked against the file before memory is taken. */
export class BoundedFile implements McapTypes.IReadable {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<bigint> {
    return BigInt((await this.#handle.stat()).size);
  }

  /** @throws RangeError for a part that is outside of the file, or too large. */
  async read(offset: bigint, length: bigint): Promise<Uint8Array> {
    if (offset < 0n || length < 0n || offset + length > (await this.size()))
      throw new RangeError(`${length.toString()} bytes at byte ${offset.toString()} are not in the file`);
    if (length > BigInt(MOST_READ_BYTES)) throw new RangeError(`a record of ${length.toString()} bytes is too large`);
    const buffer = Buffer.allocUnsafeSlow(Number(length));
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, Number(offset));
    if (bytesRead < buffer.length) throw new RangeError(`the file ends after ${bytesRead} of ${buffer.length} bytes`);
    return buffer;
  }
}
