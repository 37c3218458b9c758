import type { Subscription } from 'rxjs';
import { DEFAULT_QOS, type Bus, type Qos } from '../bus/bus.js';
import type { MessageType } from '../bus/messages.js';
import type { Nanoseconds } from '../core/time.js';
import { McapFileWriter, type McapCompression } from './mcap/mcap-file-writer.js';

/** More than this waiting to be written holds the producers back, until less than the second waits: so that reading and writing overlap. */
const MOST_WAITING_BYTES = 24 << 20;
const RESUME_BYTES = 8 << 20;

/** Writes topics of any bus to an MCAP file. */
export class Recorder {
  readonly #bus: Bus;
  readonly #writer: McapFileWriter;
  readonly #subscriptions: Subscription[] = [];
  #tail: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  readonly #heldBack: (() => void)[] = [];
  #failure: Error | null = null;
  #count = 0;

  private constructor(bus: Bus, writer: McapFileWriter) {
    this.#bus = bus;
    this.#writer = writer;
  }

  static async create(bus: Bus, path: string, compression: McapCompression): Promise<Recorder> {
    return new Recorder(bus, await McapFileWriter.create(path, compression));
  }

  get messageCount(): number {
    return this.#count;
  }

  record(topic: string, type: MessageType, qos: Qos = DEFAULT_QOS): void {
    this.#enqueue(0, () => {
      this.#writer.addTopic(topic, type, qos);
      return Promise.resolve();
    });
    this.#subscriptions.push(
      this.#bus.subscribe(topic, type, qos).subscribe(({ cdr, receivedAt }) => {
        this.#write(topic, cdr, receivedAt);
      }),
    );
  }

  /** A promise while much waits to be written; rejects with OutputError once writing has failed. */
  settle(): Promise<void> | undefined {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#waitingBytes <= MOST_WAITING_BYTES) return undefined;
    return new Promise<void>((resolve) => this.#heldBack.push(resolve)).then(() => {
      this.#rethrow();
    });
  }

  /** Finishes the file. @throws OutputError when anything could not be written; then no file stands under its name. */
  async commit(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#tail;
    try {
      this.#rethrow();
      await this.#writer.commit();
    } catch (error) {
      await this.#writer.abort();
      throw error;
    }
  }

  async abort(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#tail;
    await this.#writer.abort();
  }

  #write(topic: string, cdr: Uint8Array, time: Nanoseconds): void {
    this.#count++;
    this.#enqueue(cdr.length, () => this.#writer.write(topic, cdr, time, time));
  }

  /** The writer takes one call at a time; after a failure nothing more is written. */
  #enqueue(bytes: number, work: () => Promise<void>): void {
    this.#waitingBytes += bytes;
    this.#tail = this.#tail.then(async () => {
      try {
        if (this.#failure === null) await work();
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      }
      this.#waitingBytes -= bytes;
      if (this.#waitingBytes <= RESUME_BYTES) for (const resume of this.#heldBack.splice(0)) resume();
    });
  }

  #rethrow(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}
