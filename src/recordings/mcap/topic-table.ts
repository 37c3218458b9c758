import type { PictureFacts } from '../../sensing/picture-facts.js';
import type { ProblemLog, RecordedTopic } from '../recording.js';
import type { ChannelReader } from './channels.js';

interface Entry {
  type: string;
  count: number;
  usable: boolean;
  latched: boolean | undefined;
  picture: PictureFacts | null | undefined;
}

/** What is said of the topics of a bag. Several channels may be of one topic: the ones that can be read speak for it. */
export class TopicTable {
  readonly #entries = new Map<string, Entry>();
  readonly #problems: ProblemLog;

  constructor(problems: ProblemLog) {
    this.#problems = problems;
  }

  count(reader: ChannelReader, messages: number): void {
    const usable = reader.type !== null;
    const entry = this.#entries.get(reader.topic);
    const fresh = { type: reader.typeName, count: messages, usable, latched: reader.latched, picture: undefined };
    if (!entry || (usable && !entry.usable)) this.#entries.set(reader.topic, fresh);
    else if (entry.usable === usable && entry.type === reader.typeName) entry.count += messages;
    else if (usable)
      this.#problems.add(
        'mcap.topic-types',
        `${reader.topic} carries messages of two types, ${entry.type} and ${reader.typeName}`,
        reader.topic,
      );
  }

  lacksPicture(reader: ChannelReader): boolean {
    if (reader.type !== 'sensor_msgs/msg/Image' && reader.type !== 'sensor_msgs/msg/CompressedImage') return false;
    const entry = this.#entries.get(reader.topic);
    return entry !== undefined && entry.count > 0 && entry.picture === undefined;
  }

  /** @param picture null where its first picture cannot be read. */
  setPicture(reader: ChannelReader, picture: PictureFacts | null): void {
    const entry = this.#entries.get(reader.topic);
    if (entry) entry.picture = picture;
  }

  list(): readonly RecordedTopic[] {
    return [...this.#entries]
      .map(([topic, { picture, ...entry }]) => ({ topic, ...entry, ...(picture && { picture }) }))
      .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }
}
