import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { McapStreamReader, type McapTypes } from '@mcap/core';
import { describeError, InputError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import { checkUnpackedSize } from './chunk-limits.js';
import type { ChunkEntry } from './chunk-table.js';

export interface RawMessage {
  readonly channelId: number;
  readonly logTime: Nanoseconds;
  readonly publishTime: Nanoseconds;
  /** Borrowed from the chunk's buffer. */
  readonly data: Uint8Array;
}

export interface ChunkContent {
  readonly schemas: readonly McapTypes.TypedMcapRecords['Schema'][];
  readonly channels: readonly McapTypes.TypedMcapRecords['Channel'][];
  /** Ascending by log time; equal times in file order. */
  readonly messages: readonly RawMessage[];
}

const RECORD_HEADER = 9;
/** A chunk record up to the name of its compression, and the length of its records behind that. */
const CHUNK_HEADER = RECORD_HEADER + 40;

/**
 * @throws InputError when the chunk's content cannot be trusted (`mcap.crc`, `mcap.compression`, `mcap.chunk`, `mcap.truncated`), or is larger than
 * what is held in memory (`mcap.too-large`).
 */
export async function readChunk(
  handle: FileHandle,
  entry: ChunkEntry,
  decompress: McapTypes.DecompressHandlers,
): Promise<ChunkContent> {
  const { size } = await handle.stat();
  // The index of a damaged file may say anything; nothing is allocated before the file is known to hold it.
  if (!(entry.offset >= 0 && entry.length >= RECORD_HEADER && entry.offset + entry.length <= size))
    throw broken(entry, 'mcap.truncated', `would end at byte ${entry.offset + entry.length} of ${size}`);
  checkUnpackedSize(`${entry.file}: the chunk at byte ${entry.offset}`, entry.length, BigInt(entry.length));
  // A buffer of its own for every chunk: messages borrow from it for as long as anyone keeps them.
  const bytes = Buffer.allocUnsafeSlow(entry.length);
  const { bytesRead } = await handle.read(bytes, 0, entry.length, entry.offset);
  if (bytesRead < entry.length)
    throw broken(entry, 'mcap.truncated', `ends after ${bytesRead} of ${entry.length} bytes`);
  const records = entry.isChunkRecord ? openChunk(entry, bytes, decompress) : bytes;
  try {
    return parseRecords(records, entry);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw broken(entry, 'mcap.chunk', `holds a record that cannot be read (${describeError(cause)})`, cause);
  }
}

function openChunk(entry: ChunkEntry, bytes: Buffer, decompress: McapTypes.DecompressHandlers): Uint8Array {
  if (bytes.length < CHUNK_HEADER) throw broken(entry, 'mcap.chunk', 'is shorter than its header');
  const uncompressedSize = bytes.readBigUInt64LE(RECORD_HEADER + 16);
  const crc = bytes.readUInt32LE(RECORD_HEADER + 24);
  const nameLength = bytes.readUInt32LE(RECORD_HEADER + 28);
  const recordsAt = RECORD_HEADER + 32 + nameLength + 8;
  if (recordsAt > bytes.length) throw broken(entry, 'mcap.chunk', 'has a broken header');
  const compression = bytes.toString('utf8', RECORD_HEADER + 32, RECORD_HEADER + 32 + nameLength);
  const recordsLength = Number(bytes.readBigUInt64LE(recordsAt - 8));
  if (recordsAt + recordsLength > bytes.length) throw broken(entry, 'mcap.chunk', 'claims more records than it holds');
  let records: Uint8Array = bytes.subarray(recordsAt, recordsAt + recordsLength);
  if (compression !== '') {
    const handler = decompress[compression];
    if (!handler)
      throw broken(
        entry,
        'mcap.compression',
        `uses the compression "${compression}", which is not known (known: ${Object.keys(decompress).join(', ')})`,
      );
    checkUnpackedSize(`${entry.file}: the chunk at byte ${entry.offset}`, records.length, uncompressedSize);
    try {
      records = handler(records, uncompressedSize);
    } catch (cause) {
      throw broken(entry, 'mcap.chunk', `cannot be decompressed (${compression})`, cause);
    }
  }
  if (crc !== 0 && crc32(records) !== crc) throw broken(entry, 'mcap.crc', 'does not match its checksum');
  return records;
}

function parseRecords(records: Uint8Array, entry: ChunkEntry): ChunkContent {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const messages: RawMessage[] = [];
  const declarations = new McapStreamReader({ noMagicPrefix: true });
  let sorted = true;
  for (let at = 0; at < records.length;) {
    const opcode = view.getUint8(at);
    const body = at + RECORD_HEADER;
    const end = body + (body <= records.length ? Number(view.getBigUint64(at + 1, true)) : Number.NaN);
    if (!(end <= records.length)) throw broken(entry, 'mcap.chunk', 'holds a record that runs past its end');
    if (opcode === 0x05 && end - body >= 22) {
      const logTime = view.getBigUint64(body + 6, true);
      sorted &&= messages.length === 0 || logTime >= messages.at(-1)!.logTime;
      messages.push({
        channelId: view.getUint16(body, true),
        logTime,
        publishTime: view.getBigUint64(body + 14, true),
        data: records.subarray(body + 22, end),
      });
    } else if (opcode === 0x03 || opcode === 0x04) {
      declarations.append(records.slice(at, end));
    }
    at = end;
  }
  if (!sorted) messages.sort((a, b) => (a.logTime < b.logTime ? -1 : a.logTime > b.logTime ? 1 : 0));
  const schemas: McapTypes.TypedMcapRecords['Schema'][] = [];
  const channels: McapTypes.TypedMcapRecords['Channel'][] = [];
  for (let record = declarations.nextRecord(); record; record = declarations.nextRecord()) {
    if (record.type === 'Schema') schemas.push(record);
    else if (record.type === 'Channel') channels.push(record);
  }
  return { schemas, channels, messages };
}

function broken(entry: ChunkEntry, code: string, what: string, cause?: unknown): InputError {
  return new InputError({
    code,
    message: `${entry.file}: the chunk at byte ${entry.offset} ${what}; its messages are left out`,
    remedy: 'copy the file again from where it was recorded, or go on without those messages',
    cause,
  });
}
