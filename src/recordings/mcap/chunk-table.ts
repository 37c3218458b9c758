import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { McapIndexedReader, type McapTypes } from '@mcap/core';
import { loadDecompressHandlers } from '@mcap/support';
import { describeError, InputError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import { requireFile } from '../../files/input-file.js';
import type { ProblemLog } from '../recording.js';
import { BoundedFile } from './bounded-file.js';

/** A run of message records in a file: a chunk, or a stretch of an unchunked file. */
export interface ChunkEntry {
  readonly file: string;
  /** Of the first byte: the Chunk record's opcode, or the first message record of a stretch. */
  readonly offset: number;
  readonly length: number;
  readonly isChunkRecord: boolean;
  readonly start: Nanoseconds;
  readonly end: Nanoseconds;
  /** Order in the file, which decides between equal log times. */
  readonly order: number;
  /** Channels that the index places in the chunk; null where it does not tell. */
  readonly channels: ReadonlySet<number> | null;
}

export interface ChunkTable {
  readonly chunks: readonly ChunkEntry[];
  /** Known from the file's summary; otherwise they are met inside the chunks. */
  readonly summary: {
    readonly schemas: ReadonlyMap<number, McapTypes.TypedMcapRecords['Schema']>;
    readonly channels: ReadonlyMap<number, McapTypes.TypedMcapRecords['Channel']>;
    readonly messageCounts: ReadonlyMap<number, bigint>;
  } | null;
}

const MAGIC = Buffer.from([0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a]);
const OPCODE = { schema: 0x03, channel: 0x04, message: 0x05, chunk: 0x06, dataEnd: 0x0f, footer: 0x02 } as const;
const RECORD_HEADER = 9;
/** Stretches of an unchunked file are read in one go up to this size. */
const STRETCH_BYTES = 1 << 20;

/** @throws InputError `mcap.empty-file` or `mcap.not-mcap` when the file is no MCAP at all. */
export async function readChunkTable(file: string, problems: ProblemLog): Promise<ChunkTable> {
  const size = await requireFile(file);
  await checkMagic(file, size);
  try {
    const indexed = await readIndex(file);
    if (indexed) return indexed;
    problems.note('mcap.no-index', `${file} has no chunk index; it was scanned from the start`);
  } catch (error) {
    problems.note(
      'mcap.no-index',
      `${file} has no readable summary (${describeError(error).replace(/ \[library=.*\]$/, '')}); it was scanned from the start`,
    );
  }
  return { chunks: await scan(file, size, problems), summary: null };
}

async function checkMagic(file: string, size: number): Promise<void> {
  if (size === 0) {
    throw new InputError({
      code: 'mcap.empty-file',
      message: `${file} is empty (0 bytes)`,
      remedy: 'record it again; the recorder was stopped before it wrote anything',
    });
  }
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    if (bytesRead < MAGIC.length || !buffer.equals(MAGIC)) {
      const isRos1 = buffer.toString('latin1').startsWith('#ROSBAG');
      throw new InputError({
        code: 'mcap.not-mcap',
        message: `${file} is not an MCAP file${isRos1 ? ' but a ROS 1 bag' : ''} (it starts with ${buffer.subarray(0, bytesRead).toString('hex')})`,
        remedy: isRos1
          ? 'convert it: rosbags-convert --src FILE.bag --dst DIR'
          : 'give an .mcap file, a rosbag2 directory, a MolmoSpaces .h5 file or a clip directory',
      });
    }
  } finally {
    await handle.close();
  }
}

async function readIndex(file: string): Promise<ChunkTable | null> {
  const handle = await open(file);
  try {
    const reader = await McapIndexedReader.Initialize({
      readable: new BoundedFile(handle),
      decompressHandlers: await loadDecompressHandlers(),
    });
    const { statistics, chunkIndexes } = reader;
    if (!statistics || (chunkIndexes.length === 0 && statistics.messageCount > 0n)) return null;
    const counted = [...statistics.channelMessageCounts.values()].reduce((sum, count) => sum + count, 0n);
    // Writers may leave out the counts, or the channels, of the summary; they are then met inside the chunks.
    if (counted !== statistics.messageCount) return null;
    if ([...statistics.channelMessageCounts.keys()].some((id) => !reader.channelsById.has(id))) return null;
    return {
      chunks: chunkIndexes.map((chunk) => ({
        file,
        offset: Number(chunk.chunkStartOffset),
        length: Number(chunk.chunkLength),
        isChunkRecord: true,
        start: chunk.messageStartTime,
        end: chunk.messageEndTime,
        order: Number(chunk.chunkStartOffset),
        channels: chunk.messageIndexOffsets.size > 0 ? new Set(chunk.messageIndexOffsets.keys()) : null,
      })),
      summary: {
        schemas: reader.schemasById,
        channels: reader.channelsById,
        messageCounts: statistics.channelMessageCounts,
      },
    };
  } finally {
    await handle.close();
  }
}

/** Walks the record headers from the start; the walk ends at the first record that is not whole. */
async function scan(file: string, size: number, problems: ProblemLog): Promise<ChunkEntry[]> {
  const chunks: ChunkEntry[] = [];
  const descriptor = openSync(file, 'r');
  const header = Buffer.alloc(64);
  let stretch: { offset: number; end: number; start: Nanoseconds; last: Nanoseconds } | undefined;
  const closeStretch = (): void => {
    if (!stretch) return;
    chunks.push({
      file,
      offset: stretch.offset,
      length: stretch.end - stretch.offset,
      isChunkRecord: false,
      start: stretch.start,
      end: stretch.last,
      order: stretch.offset,
      channels: null,
    });
    stretch = undefined;
  };
  try {
    let position: number = MAGIC.length;
    let inSummary = false;
    for (let records = 0; ; records++) {
      if (records % 4096 === 4095) await setImmediate();
      const read = readSync(descriptor, header, 0, header.length, position);
      const length = read >= RECORD_HEADER ? Number(header.readBigUInt64LE(1)) : Number.NaN;
      const next = position + RECORD_HEADER + length;
      const opcode = header[0]!;
      // A whole file closes with the footer record and the magic once more.
      if (opcode === OPCODE.footer && next + MAGIC.length <= size) break;
      if (!(next + (opcode === OPCODE.footer ? MAGIC.length : 0) <= size)) {
        problems.add(
          'mcap.truncated',
          `${file} is cut off at byte ${size}, inside or before the record at byte ${position}; everything before it is used`,
        );
        break;
      }
      inSummary ||= opcode === OPCODE.dataEnd;
      if (opcode === OPCODE.message && length >= 22) {
        const logTime = header.readBigUInt64LE(RECORD_HEADER + 6);
        if (stretch && next - stretch.offset > STRETCH_BYTES) closeStretch();
        stretch ??= { offset: position, end: next, start: logTime, last: logTime };
        stretch.end = next;
        if (logTime < stretch.start) stretch.start = logTime;
        if (logTime > stretch.last) stretch.last = logTime;
      } else if (opcode === OPCODE.chunk && length >= 40) {
        closeStretch();
        chunks.push({
          file,
          offset: position,
          length: RECORD_HEADER + length,
          isChunkRecord: true,
          start: header.readBigUInt64LE(RECORD_HEADER),
          end: header.readBigUInt64LE(RECORD_HEADER + 8),
          order: position,
          channels: null,
        });
      } else if (!inSummary && (opcode === OPCODE.schema || opcode === OPCODE.channel)) {
        // Kept with the messages that follow, so that a reader of the stretch meets them first.
        closeStretch();
        chunks.push({
          file,
          offset: position,
          length: RECORD_HEADER + length,
          isChunkRecord: false,
          start: 0n,
          end: 0n,
          order: position,
          channels: null,
        });
      }
      position = next;
    }
    closeStretch();
  } finally {
    closeSync(descriptor);
  }
  return chunks;
}
