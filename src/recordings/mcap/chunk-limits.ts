import { InputError } from '../../core/errors.js';

/**
 * The largest run of messages that is held in memory, stored or unpacked. Recorders close a chunk at 1 to 4 MiB, so a chunk is larger only when a
 * single message is: a raw 8K colour picture has 100 MB.
 */
export const MOST_CHUNK_BYTES = 128 * 2 ** 20;

/** Up to this size a chunk may shrink as far as it will: pictures of one colour shrink ten thousandfold. */
const FREE_BYTES = 16 * 2 ** 20;

/** Beyond it, content that shrinks further than this is no recording but a decompression bomb. Sensor noise keeps real pictures below 100. */
const MOST_RATIO = 4096;

/** @throws InputError `mcap.too-large` for unpacked content that must not be allocated. */
export function checkUnpackedSize(what: string, stored: number, unpacked: bigint): number {
  const limit = BigInt(Math.min(MOST_CHUNK_BYTES, Math.max(FREE_BYTES, stored * MOST_RATIO)));
  if (unpacked <= limit) return Number(unpacked);
  throw new InputError({
    code: 'mcap.too-large',
    message: `${what} claims to unpack from ${stored} to ${unpacked.toString()} bytes, more than the ${limit.toString()} that are unpacked`,
    remedy:
      'if the file is from a trusted recorder, write it again with smaller chunks: mcap compress --chunk-size 4194304',
  });
}
