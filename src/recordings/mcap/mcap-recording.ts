import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { McapTypes } from '@mcap/core';
import { loadDecompressHandlers } from '@mcap/support';
import { InputError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import {
  ProblemLog,
  type RecordedMessage,
  type RecordedTopic,
  type Recording,
  type RecordingProblem,
} from '../recording.js';
import { channelReader, type ChannelReader } from './channels.js';
import { readChunk, type ChunkContent, type RawMessage } from './chunk-reader.js';
import { readChunkTable, type ChunkEntry } from './chunk-table.js';

/** A place in a loaded chunk; the heap holds one for each chunk that overlaps the present. */
interface Cursor {
  readonly chunk: ChunkEntry;
  readonly messages: readonly RawMessage[];
  readonly channels: ReadonlyMap<number, ChannelReader>;
  next: number;
}

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
    const files = await mcapFiles(location);
    const tables = await Promise.all(files.map((file) => readChunkTable(file, problems)));
    const chunks = tables.flatMap((table) => table.chunks);
    const recording = new McapRecording(location, chunks, await loadDecompressHandlers(), problems);
    const counts = new Map<string, { type: string; count: number; usable: boolean; latched: boolean | undefined }>();
    const count = (reader: ChannelReader, n: number): void => {
      const topic = counts.get(reader.topic) ?? {
        type: reader.typeName,
        count: 0,
        usable: reader.type !== null,
        latched: reader.latched,
      };
      counts.set(reader.topic, { ...topic, count: topic.count + n });
    };
    for (const [i, { summary, chunks: own }] of tables.entries()) {
      const file = files[i]!;
      if (summary) {
        recording.#declare(file, [...summary.schemas.values()], [...summary.channels.values()]);
        for (const [id, reader] of recording.#channels.get(file)!)
          count(reader, Number(summary.messageCounts.get(id) ?? 0n));
        for (const chunk of own) recording.#cover(chunk.start, chunk.end);
      } else {
        // Without a summary the counts are only known after one pass over the content.
        for (const chunk of own) {
          const content = await recording.#load(chunk);
          if (!content) continue;
          for (const message of content.messages) {
            const reader = recording.#channels.get(file)?.get(message.channelId);
            if (reader) count(reader, 1);
          }
          if (content.messages.length > 0)
            recording.#cover(content.messages[0]!.logTime, content.messages.at(-1)!.logTime);
        }
      }
    }
    recording.#topics = [...counts].map(([topic, t]) => ({ topic, ...t })).sort((a, b) => (a.topic < b.topic ? -1 : 1));
    return recording;
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
    for await (const { message, channels } of this.#inOrder()) {
      const reader = channels.get(message.channelId);
      if (!reader?.type) continue;
      let content: RecordedMessage['content'] = message.data;
      if (reader.foreign) {
        try {
          content = reader.foreign.readMessage(message.data);
        } catch {
          this.#problems.add(
            'mcap.message',
            `a message on ${reader.topic} does not match the file's own definition of ${reader.typeName}`,
            reader.topic,
          );
          continue;
        }
      }
      yield {
        topic: reader.topic,
        type: reader.type,
        logTime: message.logTime,
        publishTime: message.publishTime,
        content,
      };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#handles.values()].map((handle) => handle.close()));
    this.#handles.clear();
  }

  /** Merges chunks by log time: a chunk is loaded when the next message could be in it, and freed when it is used up. */
  async *#inOrder(): AsyncGenerator<{ message: RawMessage; channels: ReadonlyMap<number, ChannelReader> }> {
    const waiting = [...this.#chunks].sort((a, b) =>
      a.start < b.start ? -1 : a.start > b.start ? 1 : a.order - b.order,
    );
    const active: Cursor[] = [];
    // The next chunk is read from disk while the present one is consumed.
    let ahead: Promise<ChunkContent | null> | undefined;
    try {
      for (let index = 0; index < waiting.length || active.length > 0;) {
        const first = earliest(active);
        const chunk = waiting[index];
        if (chunk && (!first || chunk.start <= first.messages[first.next]!.logTime)) {
          const content = await (ahead ?? this.#load(chunk));
          index++;
          ahead = waiting[index] && this.#load(waiting[index]!);
          // Its failure is met when it is awaited; until then it must not count as unhandled.
          ahead?.catch(() => undefined);
          if (content && content.messages.length > 0) {
            active.push({ chunk, messages: content.messages, channels: this.#channels.get(chunk.file)!, next: 0 });
          }
          continue;
        }
        if (!first) continue;
        yield { message: first.messages[first.next]!, channels: first.channels };
        if (++first.next === first.messages.length) active.splice(active.indexOf(first), 1);
      }
    } finally {
      // Whoever stops early may close the files next: a read under way must have ended by then.
      await ahead?.catch(() => undefined);
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

/** Few chunks overlap at a time, so a plain search is enough. Equal log times go by file order. */
function earliest(active: readonly Cursor[]): Cursor | undefined {
  let best: Cursor | undefined;
  for (const cursor of active) {
    if (!best) {
      best = cursor;
      continue;
    }
    const a = cursor.messages[cursor.next]!.logTime;
    const b = best.messages[best.next]!.logTime;
    if (
      a < b ||
      (a === b &&
        (cursor.chunk.file < best.chunk.file ||
          (cursor.chunk.file === best.chunk.file && cursor.chunk.order < best.chunk.order)))
    ) {
      best = cursor;
    }
  }
  return best;
}

async function mcapFiles(location: string): Promise<string[]> {
  if (!(await stat(location)).isDirectory()) return [location];
  const files = (await readdir(location)).filter((name) => name.endsWith('.mcap')).sort(byNumberedName);
  if (files.length === 0) {
    throw new InputError({
      code: 'mcap.no-file',
      message: `the directory ${location} holds no .mcap file, and no clip.json`,
      remedy:
        'give a rosbag2 directory recorded with "ros2 bag record -s mcap"; convert sqlite3 bags with "ros2 bag convert"',
    });
  }
  return files.map((name) => path.join(location, name));
}

/** rosbag2 numbers its files name_0, name_1, ... name_10. */
function byNumberedName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
