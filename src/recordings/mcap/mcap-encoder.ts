import { crc32 } from 'node:zlib';
import type { Nanoseconds } from '../../core/time.js';

/*
 * The records of the MCAP format (mcap.dev/spec). The official writer computes checksums in JavaScript and copies every message three times,
 * which holds a replay of raw pictures at three times real time; here checksums are the platform's own and messages are not copied. What is
 * written is held to the official reader by the tests.
 */

export const MAGIC = Buffer.from([0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a]);

const OPCODE = {
  header: 1,
  footer: 2,
  schema: 3,
  channel: 4,
  message: 5,
  chunk: 6,
  messageIndex: 7,
  chunkIndex: 8,
  statistics: 11,
  summaryOffset: 14,
  dataEnd: 15,
} as const;

export type Opcode = keyof typeof OPCODE;

/** Appends the primitive values of a record. */
class Fields {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    return this.#push(Buffer.of(value));
  }

  u16(value: number): this {
    const b = Buffer.alloc(2);
    b.writeUInt16LE(value);
    return this.#push(b);
  }

  u32(value: number): this {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(value);
    return this.#push(b);
  }

  u64(value: bigint): this {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(value);
    return this.#push(b);
  }

  text(value: string): this {
    const b = Buffer.from(value);
    return this.u32(b.length).#push(b);
  }

  bytes(value: Uint8Array): this {
    return this.u32(value.length).#push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }

  /** Pairs behind their length in bytes. */
  map<K, V>(entries: Iterable<readonly [K, V]>, write: (fields: Fields, key: K, value: V) => void): this {
    const inner = new Fields();
    for (const [key, value] of entries) write(inner, key, value);
    const content = inner.content();
    return this.u32(content.length).#push(content);
  }

  content(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #push(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}

/** Opcode and length, which stand before every record. */
function recordHead(opcode: Opcode, length: number): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt8(OPCODE[opcode]);
  head.writeBigUInt64LE(BigInt(length), 1);
  return head;
}

function record(opcode: Opcode, fields: Fields): Buffer {
  const content = fields.content();
  return Buffer.concat([recordHead(opcode, content.length), content]);
}

export function headerRecord(profile: string, library: string): Buffer {
  return record('header', new Fields().text(profile).text(library));
}

export interface SchemaRecord {
  readonly id: number;
  readonly name: string;
  readonly encoding: string;
  readonly data: Uint8Array;
}

export function schemaRecord({ id, name, encoding, data }: SchemaRecord): Buffer {
  return record('schema', new Fields().u16(id).text(name).text(encoding).bytes(data));
}

export interface ChannelRecord {
  readonly id: number;
  readonly schemaId: number;
  readonly topic: string;
  readonly metadata: ReadonlyMap<string, string>;
}

export function channelRecord({ id, schemaId, topic, metadata }: ChannelRecord): Buffer {
  return record(
    'channel',
    new Fields()
      .u16(id)
      .u16(schemaId)
      .text(topic)
      .text('cdr')
      .map(metadata, (f, key, value) => f.text(key).text(value)),
  );
}

/** What stands before a message's own bytes. */
export function messageHead(
  channelId: number,
  sequence: number,
  logTime: Nanoseconds,
  publishTime: Nanoseconds,
  length: number,
): Buffer {
  const head = Buffer.allocUnsafe(31);
  head.writeUInt8(OPCODE.message);
  head.writeBigUInt64LE(BigInt(22 + length), 1);
  head.writeUInt16LE(channelId, 9);
  head.writeUInt32LE(sequence >>> 0, 11);
  head.writeBigUInt64LE(logTime, 15);
  head.writeBigUInt64LE(publishTime, 23);
  return head;
}

export interface ChunkRange {
  readonly start: Nanoseconds;
  readonly end: Nanoseconds;
}

/** What stands before a chunk's stored bytes. `crc` is that of the uncompressed records. */
export function chunkHead(
  range: ChunkRange,
  uncompressedSize: number,
  crc: number,
  compression: string,
  storedSize: number,
): Buffer {
  const fields = new Fields()
    .u64(range.start)
    .u64(range.end)
    .u64(BigInt(uncompressedSize))
    .u32(crc)
    .text(compression)
    .u64(BigInt(storedSize))
    .content();
  return Buffer.concat([recordHead('chunk', fields.length + storedSize), fields]);
}

export function messageIndexRecord(channelId: number, entries: readonly (readonly [Nanoseconds, number])[]): Buffer {
  return record(
    'messageIndex',
    new Fields().u16(channelId).map(entries, (f, time, offset) => f.u64(time).u64(BigInt(offset))),
  );
}

export interface ChunkIndexRecord extends ChunkRange {
  readonly offset: bigint;
  readonly length: bigint;
  readonly messageIndexOffsets: ReadonlyMap<number, bigint>;
  readonly messageIndexLength: bigint;
  readonly compression: string;
  readonly storedSize: number;
  readonly uncompressedSize: number;
}

export function chunkIndexRecord(index: ChunkIndexRecord): Buffer {
  return record(
    'chunkIndex',
    new Fields()
      .u64(index.start)
      .u64(index.end)
      .u64(index.offset)
      .u64(index.length)
      .map(index.messageIndexOffsets, (f, channel, offset) => f.u16(channel).u64(offset))
      .u64(index.messageIndexLength)
      .text(index.compression)
      .u64(BigInt(index.storedSize))
      .u64(BigInt(index.uncompressedSize)),
  );
}

export interface StatisticsRecord {
  readonly messages: number;
  readonly schemas: number;
  readonly channels: number;
  readonly chunks: number;
  readonly range: ChunkRange | null;
  readonly perChannel: ReadonlyMap<number, number>;
}

export function statisticsRecord({ messages, schemas, channels, chunks, range, perChannel }: StatisticsRecord): Buffer {
  return record(
    'statistics',
    new Fields()
      .u64(BigInt(messages))
      .u16(schemas)
      .u32(channels)
      .u32(0)
      .u32(0)
      .u32(chunks)
      .u64(range?.start ?? 0n)
      .u64(range?.end ?? 0n)
      .map(perChannel, (f, channel, count) => f.u16(channel).u64(BigInt(count))),
  );
}

/** 0: the data section has no checksum of its own, each chunk has one. */
export function dataEndRecord(): Buffer {
  return record('dataEnd', new Fields().u32(0));
}

/**
 * Everything behind the data: the groups of records by opcode, where each group lies, the footer with the checksum of it all, and the magic.
 * @param start offset in the file of the first byte.
 */
export function summarySection(
  groups: readonly { readonly opcode: Opcode; readonly records: readonly Buffer[] }[],
  start: bigint,
): Buffer {
  const filled = groups.filter(({ records }) => records.length > 0);
  let position = start;
  const offsets = filled.map(({ opcode, records }) => {
    const length = BigInt(records.reduce((sum, r) => sum + r.length, 0));
    const offset = record('summaryOffset', new Fields().u8(OPCODE[opcode]).u64(position).u64(length));
    position += length;
    return offset;
  });
  const body = Buffer.concat([...filled.flatMap(({ records }) => records), ...offsets]);
  const footerHead = Buffer.concat([
    recordHead('footer', 20),
    new Fields()
      .u64(filled.length === 0 ? 0n : start)
      .u64(filled.length === 0 ? 0n : position)
      .content(),
  ]);
  const crc = crc32(footerHead, crc32(body));
  return Buffer.concat([body, footerHead, new Fields().u32(crc).content(), MAGIC]);
}
