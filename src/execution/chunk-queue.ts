import type { ActionChunk } from '../core/action-chunk.js';
import { ConfigurationError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';

export interface QueueOptions {
  /**
   * `synchronous`, as the published policies: so many steps are executed, then the next chunk is waited for. `asynchronous`: the next chunk is asked
   * for while the current one plays; steps whose time is over when it comes are left out, and while it is late its predecessor goes on to its end.
   */
  readonly mode: 'synchronous' | 'asynchronous';
  /** Steps of a chunk that are executed before the next one is due. */
  readonly executedSteps: number;
  /** Steps over which a new chunk takes over from its predecessor, where both have one; 0 switches at once. */
  readonly blendSteps?: number;
}

/** What to do at one tick, and where it comes from. */
export interface QueuedStep {
  /** The planner's action vector. */
  readonly action: readonly number[];
  readonly chunk: ActionChunk;
  readonly index: number;
}

export interface QueueFigures {
  readonly chunks: number;
  /** Chunks that came when all their steps were over. */
  readonly late: number;
  /** Ticks without a step to execute. */
  readonly overruns: number;
  /** Seconds of the predecessor that were left when a chunk came, smallest and mean; null before there were two. */
  readonly slack_s: { readonly least: number; readonly mean: number } | null;
}

/** Float comparisons of times that are multiples of a period. */
const EPSILON_STEPS = 1e-6;

/** Steps of action chunks in the order of their time. The text of the task travels with its chunk: another task empties the queue. */
export class ChunkQueue {
  readonly #options: Required<QueueOptions>;
  #current: ActionChunk | null = null;
  /** Still asked for its steps while its successor takes over. */
  #previous: ActionChunk | null = null;
  /** Synchronous: next step of the current chunk. */
  #index = 0;
  /** Asynchronous: first step that the current chunk was asked for, and ticks since. */
  #first: number | null = null;
  #blended = 0;
  #instruction: string | null = null;
  readonly #counts = { chunks: 0, late: 0, overruns: 0 };
  readonly #slack: number[] = [];

  constructor(options: QueueOptions) {
    this.#options = { blendSteps: 0, ...options };
    const { executedSteps, blendSteps } = this.#options;
    if (!Number.isInteger(executedSteps) || executedSteps < 1 || !Number.isInteger(blendSteps) || blendSteps < 0) {
      throw new ConfigurationError({
        code: 'queue.options',
        message: `${executedSteps} executed steps and ${blendSteps} blended ones are not usable`,
        remedy: 'give 1 or more steps to execute, and 0 or more to blend',
      });
    }
  }

  /** Of the chunk whose turn it is; null when there is none. */
  get chunk(): ActionChunk | null {
    return this.#current;
  }

  /** Steps of the current chunk that have been given out, in synchronous mode. */
  get index(): number {
    return this.#index;
  }

  /** Another task drops what is queued. */
  setInstruction(instruction: string): void {
    if (this.#instruction !== null && this.#instruction !== instruction) this.clear();
    this.#instruction = instruction;
  }

  /**
   * Takes a chunk, which replaces the one before it.
   * @returns why it was not taken: it is for another task, it is not newer than the current one, or all its steps are over.
   */
  offer(chunk: ActionChunk, now: Nanoseconds): 'taken' | 'other-task' | 'older' | 'late' {
    if (this.#instruction !== null && chunk.instruction !== this.#instruction) return 'other-task';
    if (this.#current && chunk.stamp < this.#current.stamp) return 'older';
    if (this.#options.mode === 'asynchronous') {
      if (elapsedSteps(chunk, now) >= chunk.steps.length) {
        this.#counts.late++;
        return 'late';
      }
    }
    // The same one again would be executed twice.
    if (this.#current?.stamp === chunk.stamp) return 'older';
    if (this.#options.mode === 'asynchronous') {
      if (this.#current) {
        const left = this.#current.steps.length - elapsedSteps(this.#current, now);
        this.#slack.push(left * this.#current.stepS);
      }
    }
    this.#previous = this.#current;
    this.#current = chunk;
    this.#index = 0;
    this.#first = null;
    this.#blended = 0;
    this.#counts.chunks++;
    return 'taken';
  }

  /** Whether a chunk should be asked for now. @param latencyS how long one is expected to take (asynchronous mode). */
  wantsChunk(now: Nanoseconds, latencyS = 0): boolean {
    const chunk = this.#current;
    if (!chunk) return true;
    const executed = Math.min(this.#options.executedSteps, chunk.steps.length);
    if (this.#options.mode === 'synchronous') return this.#index >= executed;
    const done = elapsedSteps(chunk, now) - (this.#first ?? elapsedSteps(chunk, now));
    return done + Math.ceil(latencyS / chunk.stepS - EPSILON_STEPS) >= executed;
  }

  /** The step for this tick; null when there is none, and the arm should hold. */
  next(now: Nanoseconds): QueuedStep | null {
    const step = this.#options.mode === 'synchronous' ? this.#nextInOrder() : this.#nextInTime(now);
    if (!step) this.#counts.overruns++;
    return step;
  }

  clear(): void {
    this.#current = null;
    this.#previous = null;
    this.#index = 0;
    this.#first = null;
  }

  figures(): QueueFigures {
    const slack = this.#slack;
    return {
      ...this.#counts,
      slack_s:
        slack.length === 0
          ? null
          : {
              least: slack.reduce((least, s) => Math.min(least, s), Number.POSITIVE_INFINITY),
              mean: slack.reduce((sum, s) => sum + s, 0) / slack.length,
            },
    };
  }

  #nextInOrder(): QueuedStep | null {
    const chunk = this.#current;
    if (!chunk || this.#index >= Math.min(this.#options.executedSteps, chunk.steps.length)) return null;
    const index = this.#index++;
    return { action: chunk.steps[index]!, chunk, index };
  }

  #nextInTime(now: Nanoseconds): QueuedStep | null {
    const chunk = this.#current;
    if (!chunk) return null;
    const index = elapsedSteps(chunk, now);
    const action = chunk.steps[index];
    if (!action) return null;
    this.#first ??= index;
    const before =
      this.#previous && this.#blended < this.#options.blendSteps
        ? this.#previous.steps[elapsedSteps(this.#previous, now)]
        : undefined;
    if (!before) {
      this.#previous = null;
      return { action, chunk, index };
    }
    const share = ++this.#blended / (this.#options.blendSteps + 1);
    // The gripper's command is a switch: the new chunk has it.
    const blended = action.map((value, j) =>
      j === action.length - 1 ? value : share * value + (1 - share) * before[j]!,
    );
    return { action: blended, chunk, index };
  }
}

/** Steps whose time is over: step k is given out during the k-th step after the chunk's observation. */
function elapsedSteps(chunk: ActionChunk, now: Nanoseconds): number {
  return Math.max(0, Math.floor(toSeconds(now - chunk.stamp) / chunk.stepS + EPSILON_STEPS));
}

/**
 * A chunk that takes longer than the steps behind those that are executed can never come in time.
 * @param latencyS of a query, its 95th percentile. @throws ConfigurationError `queue.latency`.
 */
export function checkLatency(options: QueueOptions, horizon: number, stepS: number, latencyS: number): void {
  if (options.mode === 'synchronous') return;
  const spare = (horizon - options.executedSteps) * stepS;
  if (latencyS <= spare) return;
  throw new ConfigurationError({
    code: 'queue.latency',
    message: `a chunk takes ${latencyS.toFixed(3)} s, but only ${spare.toFixed(3)} s of ${horizon} steps are left when ${options.executedSteps} have been executed`,
    remedy: 'execute fewer steps of each chunk, use a faster machine or a smaller model, or run synchronously',
  });
}
