import type { McapTypes } from '@mcap/core';
import { describeError, InputError } from '../../core/errors.js';
import { checkUnpackedSize } from './chunk-limits.js';

/** The first byte of CDR is 0, so a message that starts with zstd's magic was compressed on its own (rosbag2's compression mode MESSAGE). */
const ZSTD_MAGIC = 0xfd2fb528;

export function isZstdFrame(data: Uint8Array): boolean {
  return (
    data.length >= 4 && data[0] === 0x28 && Buffer.from(data.buffer, data.byteOffset, 4).readUInt32LE() === ZSTD_MAGIC
  );
}

/**
 * Unpacks a message that rosbag2 compressed on its own.
 * @throws InputError `mcap.message-compression` when the frame does not tell its size or cannot be unpacked, `mcap.too-large` when it is a bomb.
 */
export function unpackMessage(data: Uint8Array, topic: string, decompress: McapTypes.DecompressHandlers): Uint8Array {
  const size = zstdContentSize(data);
  if (size === null) throw broken(topic, 'its zstd frame does not tell the size of its content');
  const unpacked = checkUnpackedSize(`a message on ${topic}`, data.length, size);
  try {
    return decompress['zstd']!(data, BigInt(unpacked));
  } catch (cause) {
    throw broken(topic, describeError(cause), cause);
  }
}

/** Of the header of a zstd frame (RFC 8878, section 3.1.1.1); null where it is left out, which rosbag2 never does. */
function zstdContentSize(data: Uint8Array): bigint | null {
  const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const descriptor = frame[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  if (sizeBytes === 0 || at + sizeBytes > frame.length) return null;
  if (sizeBytes === 8) return frame.readBigUInt64LE(at);
  // Sizes of two bytes are stored less 256, since smaller ones fit one byte.
  return BigInt(frame.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0));
}

function broken(topic: string, why: string, cause?: unknown): InputError {
  return new InputError({
    code: 'mcap.message-compression',
    message: `a compressed message on ${topic} cannot be unpacked: ${why}`,
    remedy: 'copy the bag again, or unpack it with: ros2 bag convert',
    cause,
  });
}
