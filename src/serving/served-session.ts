import type { MessageMap, MessageValue } from './message-value.js';

/** One client's policy. Each step is timed apart, as the published server does it. */
export interface ServedSession {
  /** Reads and keeps the observation. @throws InputError `observation.*`. */
  observe(message: MessageValue): PreparedQuery;
}

export interface PreparedQuery {
  /** Whether it infers: only one query does so at a time, whoever asks. */
  readonly needsPolicy: boolean;
  /** Rejects with the policy's errors, and CancelledError. */
  infer(signal: AbortSignal): Promise<Inferred>;
}

export interface Inferred {
  /** The answer, without timing. */
  toAnswer(): MessageMap;
}
