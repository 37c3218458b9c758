import type { WebSocket } from 'ws';
import { CancelledError, describeError, PlannerError } from '../core/errors.js';
import { badMessage } from './message-error.js';
import { decodeMessage } from './message-reader.js';
import type { MessageMap, MessageValue } from './message-value.js';
import { encodeMessage } from './message-writer.js';
import type { Inferred, ServedSession } from './served-session.js';
import type { Turns } from './turns.js';

/** What the published servers close with after an error, whose text came in the frame before. */
const ERROR_CLOSE = { code: 1011, reason: 'Internal server error. Traceback included in previous frame.' } as const;
/** Observations of one client that may wait here. Further ones wait in the network, which slows the client down. */
const MOST_WAITING = 4;

export interface ConnectionOptions {
  readonly metadata: MessageMap;
  /** Whose turn it is to infer, over all clients. */
  readonly turns: Turns;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
}

/** One client, from its metadata to its close. Its observations are answered one after the other. */
export class PolicyConnection {
  readonly #socket: WebSocket;
  readonly #session: ServedSession;
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  readonly #waiting: { readonly data: Buffer; readonly isBinary: boolean }[] = [];
  #isAnswering = false;
  #previousMs: number | null = null;
  #answers = 0;
  #error: string | null = null;

  constructor(socket: WebSocket, session: ServedSession, options: ConnectionOptions) {
    this.#socket = socket;
    this.#session = session;
    this.#options = options;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#waiting.push({ data, isBinary });
      if (this.#waiting.length >= MOST_WAITING) socket.pause();
      void this.#answerAll();
    });
    socket.on('close', () => {
      this.#waiting.length = 0;
      this.#abort.abort();
    });
  }

  get answers(): number {
    return this.#answers;
  }

  /** Why the client was refused; null while it is not. */
  get error(): string | null {
    return this.#error;
  }

  async start(): Promise<void> {
    await this.#send(encodeMessage(this.#options.metadata));
  }

  async #answerAll(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
        if (this.#socket.isPaused) this.#socket.resume();
        await this.#answer(next.data, next.isBinary);
      }
    } catch (error) {
      await this.#refuse(error);
    } finally {
      this.#isAnswering = false;
    }
  }

  async #answer(data: Buffer, isBinary: boolean): Promise<void> {
    const { now, turns } = this.#options;
    const came = now();
    if (!isBinary) throw badMessage('it is a text frame');
    const message = decodeMessage(data);
    const [query, preprocessMs] = timed(now, () => this.#session.observe(message));
    const asked = now();
    const infer = async (): Promise<readonly [inferred: Inferred, acquireMs: number, inferMs: number]> => {
      const begun = now();
      const inferred = await query.infer(this.#abort.signal);
      return [inferred, begun - asked, now() - begun];
    };
    // A step of a chunk that is there already need not wait for the inference of another client.
    const [inferred, acquireMs, inferMs] = await (query.needsPolicy ? turns.take(infer, this.#abort.signal) : infer());
    const [action, postprocessMs] = timed(now, () => inferred.toAnswer());
    const answer = new Map<string, MessageValue>([
      ...action,
      [
        'server_timing',
        new Map<string, MessageValue>([
          ['infer_ms', Math.trunc(inferMs)],
          ['preprocess_ms', Math.trunc(preprocessMs)],
          ['postprocess_ms', Math.trunc(postprocessMs)],
          ['total_ms', Math.trunc(preprocessMs + inferMs + postprocessMs)],
          ['policy_acquire_ms', Math.trunc(acquireMs)],
          ...(this.#previousMs === null ? [] : ([['prev_total_ms', this.#previousMs]] as const)),
        ]),
      ],
    ]);
    await this.#send(encodeMessage(answer));
    this.#previousMs = now() - came;
    this.#answers++;
  }

  /** The client is told what was wrong, and the connection ends. What only this machine should know is not told. */
  async #refuse(error: unknown): Promise<void> {
    if (error instanceof CancelledError && this.#abort.signal.aborted) return;
    const isKnown = error instanceof PlannerError;
    this.#error = isKnown ? `${error.code}: ${error.message}` : describeError(error);
    this.#waiting.length = 0;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const text = isKnown
      ? `${error.name} ${error.code}: ${error.message}. ${error.remedy}.`
      : 'an unexpected fault of the server';
    await this.#send(text);
    this.#socket.resume();
    this.#socket.close(ERROR_CLOSE.code, ERROR_CLOSE.reason);
  }

  /** Resolves when the operating system has it, so that a client that does not read is not answered further. A closed connection needs no answer. */
  #send(data: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.send(data, () => {
        resolve();
      });
    });
  }
}

function timed<T>(now: () => number, work: () => T): readonly [result: T, ms: number] {
  const start = now();
  const result = work();
  return [result, now() - start];
}
