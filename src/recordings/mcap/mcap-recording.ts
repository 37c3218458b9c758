import { open, type FileHandle } from 'node:fs/promises';
import type { McapTypes } from '@mcap/core';
import { loadDecompressHandlers } from '@mcap/support';
import { decodeCdr } from '../../bus/cdr.js';
import type { MessageTypes } from '../../bus/messages.js';
import { InputError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import { pictureFacts, type PictureFacts } from '../../sensing/picture-facts.js';
import {
  ProblemLog,
  type RecordedMessage,
  type RecordedTopic,
  type Recording,
  type RecordingProblem,
} from '../recording.js';
import { bagFiles } from './bag-files.js';
import { channelReader, type ChannelReader } from './channels.js';
import { readChunk, type ChunkContent, type RawMessage } from './chunk-reader.js';
import { readChunkTable, type ChunkEntry, type ChunkTable } from './chunk-table.js';
import { mergeChunks } from './merge-chunks.js';
import { isZstdFrame, unpackMessage } from './message-compression.js';
import { TopicTable } from './topic-table.js';

/** One MCAP file or a rosbag2 directory of them, with or without index, whole or cut off. */
export class McapRecording implements Recording {
  readonly kind = 'mcap';
  readonly instruction = null;
  readonly tracks = null;
  readonly commands = null;
  readonly #problems: ProblemLog;
  readonly #chunks: readonly ChunkEntry[];
  readonly #decompress: McapTypes.DecompressHandlers;
  readonly #handles = new Map<string, FileHandle>();
  /** By file: channel ids are only unique within one. */
  readonly #channels = new Map<string, Map<number, ChannelReader>>();
  readonly #schemas = new Map<string, Map<number, McapTypes.TypedMcapRecords['Schema']>>();
  #topics: readonly RecordedTopic[] = [];
  #hasPackedMessages = false;
  #timeRange: readonly [Nanoseconds, Nanoseconds] | null = null;

  private constructor(
    readonly path: string,
    chunks: readonly ChunkEntry[],
    decompress: McapTypes.DecompressHandlers,
    problems: ProblemLog,
  ) {
    this.#chunks = chunks;
    this.#decompress = decompress;
    this.#problems = problems;
  }

  /** @throws InputError when the path is no MCAP file or rosbag2 directory. Faults inside the file are listed in `problems`. */
  static async open(location: string): Promise<McapRecording> {
    const problems = new ProblemLog();
    const files = await bagFiles(location);
    const tables = await Promise.all(files.map((file) => readChunkTable(file, problems)));
    const recording = new McapRecording(
      location,
      tables.flatMap((table) => table.chunks),
      await loadDecompressHandlers(),
      problems,
    );
    try {
      const topics = new TopicTable(problems);
      for (const [i, table] of tables.entries()) await recording.#survey(files[i]!, table, topics);
      recording.#topics = topics.list();
      return recording;
    } catch (error) {
      await recording.close();
      throw error;
    }
  }

  get topics(): readonly RecordedTopic[] {
    return this.#topics;
  }

  get timeRange(): readonly [Nanoseconds, Nanoseconds] | null {
    return this.#timeRange;
  }

  get problems(): readonly RecordingProblem[] {
    return this.#problems.list;
  }

  async *messages(): AsyncGenerator<RecordedMessage> {
    for await (const { chunk, message } of mergeChunks(this.#chunks, (entry) => this.#load(entry))) {
      const reader = this.#channels.get(chunk.file)!.get(message.channelId);
      if (!reader?.type) continue;
      const content = this.#contentOf(message, reader);
      if (content === null) continue;
      const { logTime, publishTime } = message;
      yield { topic: reader.topic, type: reader.type, logTime, publishTime, content };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#handles.values()].map((handle) => handle.close()));
    this.#handles.clear();
  }

  /** Learns what topics a file has, how many messages, over which time, and what their pictures are. */
  async #survey(file: string, { summary, chunks }: ChunkTable, topics: TopicTable): Promise<void> {
    if (summary) {
      this.#declare(file, [...summary.schemas.values()], [...summary.channels.values()]);
      for (const [id, reader] of this.#channels.get(file)!)
        topics.count(reader, Number(summary.messageCounts.get(id) ?? 0n));
      for (const chunk of chunks)
        if (chunk.channels !== null || chunk.end > 0n) this.#cover(chunk.start, chunk.end);
        else this.#coverMessages(await this.#load(chunk));
      await this.#surveyPictures(file, chunks, topics);
      return;
    }
    // Without a summary all this is only known after one pass over the content.
    for (const chunk of chunks) {
      const content = await this.#load(chunk);
      this.#coverMessages(content);
      for (const message of content?.messages ?? []) {
        const reader = this.#channels.get(file)!.get(message.channelId);
        if (!reader) continue;
        topics.count(reader, 1);
        if (topics.lacksPicture(reader)) topics.setPicture(reader, this.#pictureFacts(message, reader));
      }
    }
  }

  /** Reads the first chunk of every picture topic. */
  async #surveyPictures(file: string, chunks: readonly ChunkEntry[], topics: TopicTable): Promise<void> {
    const readers = this.#channels.get(file)!;
    const missing = new Map([...readers].filter(([, reader]) => topics.lacksPicture(reader)));
    for (const chunk of chunks) {
      if (missing.size === 0) return;
      if (chunk.channels !== null && ![...missing.keys()].some((id) => chunk.channels!.has(id))) continue;
      for (const message of (await this.#load(chunk))?.messages ?? []) {
        const reader = missing.get(message.channelId);
        if (!reader) continue;
        topics.setPicture(reader, this.#pictureFacts(message, reader));
        missing.delete(message.channelId);
      }
    }
  }

  /** Null for a picture that cannot be read; it is met, and counted, again when the messages are. */
  #pictureFacts(message: RawMessage, reader: ChannelReader): PictureFacts | null {
    const type = reader.type as 'sensor_msgs/msg/Image' | 'sensor_msgs/msg/CompressedImage';
    try {
      const content = this.#contentOf(message, reader);
      if (content === null) return null;
      return pictureFacts(
        content instanceof Uint8Array ? decodeCdr(type, content) : (content as MessageTypes[typeof type]),
      );
    } catch {
      return null;
    }
  }

  /** Null, with the reason in `problems`, for a message that cannot be unpacked or does not fit its definition. */
  #contentOf(message: RawMessage, reader: ChannelReader): RecordedMessage['content'] | null {
    try {
      const isPacked = isZstdFrame(message.data);
      if (isPacked && !this.#hasPackedMessages)
        this.#problems.note(
          'mcap.packed-messages',
          'messages are compressed one by one with zstd (rosbag2 mode MESSAGE)',
        );
      this.#hasPackedMessages ||= isPacked;
      const data = isPacked ? unpackMessage(message.data, reader.topic, this.#decompress) : message.data;
      return reader.foreign ? reader.foreign.readMessage(data) : data;
    } catch (error) {
      if (error instanceof InputError) this.#problems.add(error.code, error.message, reader.topic);
      else
        this.#problems.add(
          'mcap.message',
          `a message on ${reader.topic} does not match the file's own definition of ${reader.typeName}`,
          reader.topic,
        );
      return null;
    }
  }

  /** Null, with the reason in `problems`, when the chunk cannot be trusted. */
  async #load(chunk: ChunkEntry): Promise<ChunkContent | null> {
    try {
      const content = await readChunk(await this.#handle(chunk.file), chunk, this.#decompress);
      this.#declare(chunk.file, content.schemas, content.channels);
      return content;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#problems.add(error.code, error.message, `${chunk.file}:${chunk.offset}`);
      return null;
    }
  }

  async #handle(file: string): Promise<FileHandle> {
    let handle = this.#handles.get(file);
    if (!handle) {
      handle = await open(file);
      this.#handles.set(file, handle);
    }
    return handle;
  }

  #declare(
    file: string,
    schemas: readonly McapTypes.TypedMcapRecords['Schema'][],
    channels: readonly McapTypes.TypedMcapRecords['Channel'][],
  ): void {
    const knownSchemas = getOrAdd(this.#schemas, file);
    const readers = getOrAdd(this.#channels, file);
    for (const schema of schemas) knownSchemas.set(schema.id, schema);
    for (const channel of channels) {
      if (!readers.has(channel.id))
        readers.set(channel.id, channelReader(channel, knownSchemas.get(channel.schemaId), this.#problems));
    }
  }

  #coverMessages(content: ChunkContent | null): void {
    if (content && content.messages.length > 0)
      this.#cover(content.messages[0]!.logTime, content.messages.at(-1)!.logTime);
  }

  #cover(start: Nanoseconds, end: Nanoseconds): void {
    const [from, to] = this.#timeRange ?? [start, end];
    this.#timeRange = [start < from ? start : from, end > to ? end : to];
  }
}

function getOrAdd<K, V>(maps: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let map = maps.get(key);
  if (!map) maps.set(key, (map = new Map<K, V>()));
  return map;
}
