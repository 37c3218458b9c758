import { crc32 } from 'node:zlib';
import zstd from '@foxglove/wasm-zstd';
import type { Qos } from '../../bus/bus.js';
import { schemaTextOf } from '../../bus/definitions.js';
import type { MessageType } from '../../bus/messages.js';
import type { Nanoseconds } from '../../core/time.js';
import { AtomicFile } from '../../files/atomic-file.js';
import {
  channelRecord,
  chunkHead,
  chunkIndexRecord,
  dataEndRecord,
  headerRecord,
  MAGIC,
  messageHead,
  messageIndexRecord,
  schemaRecord,
  statisticsRecord,
  summarySection,
  type ChunkIndexRecord,
  type ChunkRange,
} from './mcap-encoder.js';

export type McapCompression = 'none' | 'zstd';

/** Small enough to seek in, large enough to compress; a larger message has a chunk of its own. */
const CHUNK_BYTES = 1 << 20;

interface OpenChunk {
  readonly parts: Uint8Array[];
  bytes: number;
  range: ChunkRange | null;
  readonly index: Map<number, (readonly [Nanoseconds, number])[]>;
}

/** Writes a ROS 2 MCAP that `ros2 bag play` and Foxglove open: profile ros2, cdr messages, ros2msg schemas, chunked and indexed. */
export class McapFileWriter {
  readonly #file: AtomicFile;
  readonly #compression: McapCompression;
  readonly #channels = new Map<string, { readonly id: number; count: number }>();
  readonly #schemaIds = new Map<MessageType, number>();
  readonly #schemaRecords: Buffer[] = [];
  readonly #channelRecords: Buffer[] = [];
  readonly #chunkIndexes: ChunkIndexRecord[] = [];
  #chunk: OpenChunk = emptyChunk();
  #range: ChunkRange | null = null;

  private constructor(file: AtomicFile, compression: McapCompression) {
    this.#file = file;
    this.#compression = compression;
  }

  /** @throws OutputError when the file cannot be created. */
  static async create(path: string, compression: McapCompression): Promise<McapFileWriter> {
    await zstd.isLoaded;
    const file = await AtomicFile.create(path);
    await file.write([MAGIC, headerRecord('ros2', 'molmo_motion_planner')]);
    return new McapFileWriter(file, compression);
  }

  /** One topic; rosbag2 reads its QoS from the channel's metadata, so that `ros2 bag play` publishes latched topics latched. */
  addTopic(topic: string, type: MessageType, qos: Qos): void {
    if (this.#channels.has(topic)) return;
    let schemaId = this.#schemaIds.get(type);
    if (schemaId === undefined) {
      schemaId = this.#schemaIds.size + 1;
      this.#schemaIds.set(type, schemaId);
      const record = schemaRecord({
        id: schemaId,
        name: type,
        encoding: 'ros2msg',
        data: Buffer.from(schemaTextOf(type)),
      });
      this.#schemaRecords.push(record);
      this.#append(record);
    }
    const id = this.#channels.size;
    this.#channels.set(topic, { id, count: 0 });
    const record = channelRecord({
      id,
      schemaId,
      topic,
      metadata: new Map([['offered_qos_profiles', qosProfileYaml(qos)]]),
    });
    this.#channelRecords.push(record);
    this.#append(record);
  }

  /** @param cdr is not copied and must not change until the next call has returned. @throws OutputError when the disk does not take it. */
  async write(topic: string, cdr: Uint8Array, logTime: Nanoseconds, publishTime: Nanoseconds): Promise<void> {
    const channel = this.#channels.get(topic)!;
    const chunk = this.#chunk;
    const entries = chunk.index.get(channel.id) ?? [];
    chunk.index.set(channel.id, entries);
    entries.push([logTime, chunk.bytes]);
    chunk.range = widen(chunk.range, logTime);
    this.#append(messageHead(channel.id, channel.count++, logTime, publishTime, cdr.length));
    this.#append(cdr);
    if (chunk.bytes >= CHUNK_BYTES) await this.#closeChunk();
  }

  /** Finishes the file and gives it its name. */
  async commit(): Promise<void> {
    await this.#closeChunk();
    await this.#file.write([dataEndRecord()]);
    const perChannel = new Map([...this.#channels.values()].map(({ id, count }) => [id, count]));
    const messages = [...perChannel.values()].reduce((sum, count) => sum + count, 0);
    const statistics = statisticsRecord({
      messages,
      schemas: this.#schemaRecords.length,
      channels: this.#channelRecords.length,
      chunks: this.#chunkIndexes.length,
      range: this.#range,
      perChannel,
    });
    const summary = summarySection(
      [
        { opcode: 'schema', records: this.#schemaRecords },
        { opcode: 'channel', records: this.#channelRecords },
        { opcode: 'statistics', records: [statistics] },
        { opcode: 'chunkIndex', records: this.#chunkIndexes.map(chunkIndexRecord) },
      ],
      this.#file.position,
    );
    await this.#file.write([summary]);
    await this.#file.commit();
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.#file.abort();
  }

  #append(part: Uint8Array): void {
    this.#chunk.parts.push(part);
    this.#chunk.bytes += part.length;
  }

  async #closeChunk(): Promise<void> {
    const chunk = this.#chunk;
    this.#chunk = emptyChunk();
    if (chunk.bytes === 0) return;
    const crc = chunk.parts.reduce((sum, part) => crc32(part, sum), 0);
    const stored = this.#compression === 'zstd' ? [zstd.compress(Buffer.concat(chunk.parts), 1)] : chunk.parts;
    const storedSize = stored.reduce((sum, part) => sum + part.length, 0);
    const range = chunk.range ?? { start: 0n, end: 0n };
    const compression = this.#compression === 'none' ? '' : this.#compression;
    const head = chunkHead(range, chunk.bytes, crc, compression, storedSize);
    const offset = this.#file.position;
    const length = BigInt(head.length + storedSize);
    let indexAt = offset + length;
    const offsets = new Map<number, bigint>();
    const indexes = [...chunk.index].map(([channel, entries]) => {
      const record = messageIndexRecord(channel, entries);
      offsets.set(channel, indexAt);
      indexAt += BigInt(record.length);
      return record;
    });
    await this.#file.write([head, ...stored, ...indexes]);
    this.#chunkIndexes.push({
      ...range,
      offset,
      length,
      messageIndexOffsets: offsets,
      messageIndexLength: indexAt - offset - length,
      compression,
      storedSize,
      uncompressedSize: chunk.bytes,
    });
    if (chunk.range) this.#range = widen(widen(this.#range, chunk.range.start), chunk.range.end);
  }
}

function emptyChunk(): OpenChunk {
  return { parts: [], bytes: 0, range: null, index: new Map() };
}

function widen(range: ChunkRange | null, time: Nanoseconds): ChunkRange {
  if (!range) return { start: time, end: time };
  return { start: time < range.start ? time : range.start, end: time > range.end ? time : range.end };
}

/** In the words of rosbag2 since Jazzy. */
function qosProfileYaml(qos: Qos): string {
  return [
    '- history: keep_last',
    `  depth: ${qos.depth}`,
    `  reliability: ${qos.reliability}`,
    `  durability: ${qos.durability}`,
    '  deadline: {sec: 9223372036, nsec: 854775807}',
    '  lifespan: {sec: 9223372036, nsec: 854775807}',
    '  liveliness: automatic',
    '  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}',
    '  avoid_ros_namespace_conventions: false',
  ].join('\n');
}
