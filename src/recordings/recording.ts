import type { RecordedCommands } from '../core/action-chunk.js';
import type { Nanoseconds } from '../core/time.js';
import type { MessageType, MessageTypes } from '../bus/messages.js';
import type { PointTracks } from '../core/point-tracks.js';
import type { PictureFacts } from '../sensing/picture-facts.js';

/** Something in a recording that could not be used, or that had to be assumed; the rest of it is still delivered. */
export interface RecordingProblem {
  /** A notice tells what was assumed, and nothing is lost by it; a problem is something that could not be used. */
  readonly kind: 'problem' | 'notice';
  /** Stable, such as `mcap.truncated`. */
  readonly code: string;
  readonly message: string;
  /** How often it happened. */
  readonly count: number;
}

export interface RecordedTopic {
  readonly topic: string;
  /** The type as the recording names it; only those in MessageTypes are played. */
  readonly type: string;
  readonly count: number;
  readonly usable: boolean;
  /** The publisher kept its last messages for latecomers (transient_local); known where the recording says so. */
  readonly latched?: boolean | undefined;
  /** Of a topic of pictures: what its first one is; left out where that is not known. */
  readonly picture?: PictureFacts;
}

export interface RecordedMessage<T extends MessageType = MessageType> {
  readonly topic: string;
  readonly type: T;
  readonly logTime: Nanoseconds;
  readonly publishTime: Nanoseconds;
  /** A message object, or its CDR bytes in our own definition of the type. */
  readonly content: MessageTypes[T] | Uint8Array;
}

/** Messages over time from a file, in log-time order, ties in file order. */
export interface Recording {
  readonly kind: 'mcap' | 'molmospaces' | 'clip';
  readonly path: string;
  readonly topics: readonly RecordedTopic[];
  /** Null when the recording holds no message. */
  readonly timeRange: readonly [Nanoseconds, Nanoseconds] | null;
  /** The task in words, where the recording carries it outside its messages. */
  readonly instruction: string | null;
  /** True motion of points on the object, where the recording knows it. */
  readonly tracks: PointTracks | null;
  /** What the robot was told to do, where the recording knows it. */
  readonly commands: RecordedCommands | null;
  /** Grows while messages are read. */
  readonly problems: readonly RecordingProblem[];
  /** Bounded memory however long the recording is; can be called again. */
  messages(): AsyncIterable<RecordedMessage>;
  close(): Promise<void>;
}

/** Counts each kind of problem once, keeping the first message of its kind. */
export class ProblemLog {
  readonly #problems = new Map<string, RecordingProblem & { count: number }>();

  /** Something that could not be used. */
  add(code: string, message: string, subject = ''): void {
    this.#count('problem', code, message, subject);
  }

  /** Something that was assumed. */
  note(code: string, message: string, subject = ''): void {
    this.#count('notice', code, message, subject);
  }

  #count(kind: RecordingProblem['kind'], code: string, message: string, subject: string): void {
    const key = `${code} ${subject}`;
    const known = this.#problems.get(key);
    if (known) known.count++;
    else this.#problems.set(key, { kind, code, message, count: 1 });
  }

  get list(): readonly RecordingProblem[] {
    return [...this.#problems.values()];
  }
}
