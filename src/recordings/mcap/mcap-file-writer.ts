import { McapWriter } from '@mcap/core';
import zstd from '@foxglove/wasm-zstd';
import type { Qos } from '../../bus/bus.js';
import { schemaTextOf } from '../../bus/definitions.js';
import type { MessageType } from '../../bus/messages.js';
import type { Nanoseconds } from '../../core/time.js';
import { AtomicFile } from '../atomic-file.js';

export type McapCompression = 'none' | 'zstd';

/** rosbag2's default, near enough: small enough to seek in, large enough to compress. */
const CHUNK_BYTES = 1 << 20;

/** Writes a ROS 2 MCAP that `ros2 bag play` and Foxglove open: profile ros2, cdr messages, ros2msg schemas, chunked and indexed. */
export class McapFileWriter {
  readonly #file: AtomicFile;
  readonly #writer: McapWriter;
  readonly #channels = new Map<string, number>();
  readonly #schemas = new Map<MessageType, number>();
  readonly #sequences = new Map<number, number>();

  private constructor(file: AtomicFile, compression: McapCompression) {
    this.#file = file;
    this.#writer = new McapWriter({
      writable: file,
      chunkSize: CHUNK_BYTES,
      ...(compression === 'zstd' && {
        compressChunk: (chunk: Uint8Array) => ({ compression: 'zstd', compressedData: zstd.compress(chunk, 1) }),
      }),
    });
  }

  /** @throws OutputError when the file cannot be created. */
  static async create(path: string, compression: McapCompression): Promise<McapFileWriter> {
    await zstd.isLoaded;
    const file = await AtomicFile.create(path);
    const writer = new McapFileWriter(file, compression);
    await writer.#writer.start({ profile: 'ros2', library: 'molmo_motion_planner' });
    return writer;
  }

  /** One topic; rosbag2 reads its QoS from the channel's metadata, so that `ros2 bag play` publishes latched topics latched. */
  async addTopic(topic: string, type: MessageType, qos: Qos): Promise<void> {
    if (this.#channels.has(topic)) return;
    let schemaId = this.#schemas.get(type);
    if (schemaId === undefined) {
      schemaId = await this.#writer.registerSchema({ name: type, encoding: 'ros2msg', data: Buffer.from(schemaTextOf(type)) });
      this.#schemas.set(type, schemaId);
    }
    const id = await this.#writer.registerChannel({
      topic,
      schemaId,
      messageEncoding: 'cdr',
      metadata: new Map([['offered_qos_profiles', qosProfileYaml(qos)]]),
    });
    this.#channels.set(topic, id);
  }

  /** @param cdr kept until written; must not change. @throws OutputError when the disk does not take it. */
  async write(topic: string, cdr: Uint8Array, logTime: Nanoseconds, publishTime: Nanoseconds): Promise<void> {
    const channelId = this.#channels.get(topic)!;
    const sequence = this.#sequences.get(channelId) ?? 0;
    this.#sequences.set(channelId, sequence + 1);
    await this.#writer.addMessage({ channelId, sequence, logTime, publishTime, data: cdr });
  }

  /** Finishes the file and gives it its name. */
  async commit(): Promise<void> {
    await this.#writer.end();
    await this.#file.commit();
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.#file.abort();
  }
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
