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
  /** Rate at which the time of chunks passes, above 0, at most 1. The way of the arm stays the same. */
  readonly speed?: number;
}

/** What to do at one tick, and where it comes from. */
export interface QueuedStep {
  /** The planner's action vector. */
  readonly action: readonly number[];
  readonly chunk: ActionChunk;
  readonly index: number;
  /** Where the plan is one tick from now, in steps of the chunk: step 0 is reached at 0, and a fraction lies between two steps. */
  readonly progress: number;
  /** Time of one step as it is executed, seconds. */
  readonly stepS: number;
  /** The chunk that this one takes over from, and the share that this one already has. */
  readonly before: { readonly chunk: ActionChunk; readonly progress: number; readonly share: number } | null;
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
/** The observation of a chunk is one step before its first action. */
const BEFORE_FIRST = -1;

/** Steps of action chunks in the order of their time. The text of the task travels with its chunk: another task empties the queue. */
export class ChunkQueue {
  readonly #options: Required<QueueOptions>;
  #current: ActionChunk | null = null;
  /** Still asked for its steps while its successor takes over. */
  #previous: ActionChunk | null = null;
  /** Synchronous: where the current chunk is, in steps; it begins at -1. */
  #progress = BEFORE_FIRST;
  /** Asynchronous: first step that the current chunk was asked for, and ticks since. */
  #first: number | null = null;
  #blended = 0;
  #instruction: string | null = null;
  readonly #counts = { chunks: 0, late: 0, overruns: 0 };
  readonly #slack: number[] = [];

  constructor(options: QueueOptions) {
    this.#options = { blendSteps: 0, speed: 1, ...options };
    const { executedSteps, blendSteps, speed } = this.#options;
    if (!(speed > 0 && speed <= 1)) {
      throw new ConfigurationError({
        code: 'queue.options',
        message: `a speed of ${speed} is not usable`,
        remedy: 'give a number above 0, at most 1',
      });
    }
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
    return Math.floor(this.#progress + EPSILON_STEPS) + 1;
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
      if (this.#elapsed(chunk, now) >= chunk.steps.length) {
        this.#counts.late++;
        return 'late';
      }
    }
    // The same one again would be executed twice.
    if (this.#current?.stamp === chunk.stamp) return 'older';
    if (this.#options.mode === 'asynchronous') {
      if (this.#current) {
        const left = this.#current.steps.length - this.#elapsed(this.#current, now);
        this.#slack.push((left * this.#current.stepS) / this.#options.speed);
      }
    }
    this.#previous = this.#current;
    this.#current = chunk;
    this.#progress = BEFORE_FIRST;
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
    if (this.#options.mode === 'synchronous') return this.#progress >= executed - 1 - EPSILON_STEPS;
    const elapsed = this.#elapsed(chunk, now);
    const done = elapsed - (this.#first ?? elapsed);
    const latencySteps = (latencyS * this.#options.speed) / chunk.stepS;
    return done + Math.ceil(latencySteps - EPSILON_STEPS) >= executed;
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
    this.#progress = BEFORE_FIRST;
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
    const { executedSteps, speed } = this.#options;
    if (!chunk || this.#progress >= Math.min(executedSteps, chunk.steps.length) - 1 - EPSILON_STEPS) return null;
    this.#progress += speed;
    const index = Math.max(0, Math.floor(this.#progress + EPSILON_STEPS));
    const stepS = chunk.stepS / speed;
    return { action: chunk.steps[index]!, chunk, index, progress: this.#progress, stepS, before: null };
  }

  #nextInTime(now: Nanoseconds): QueuedStep | null {
    const chunk = this.#current;
    if (!chunk) return null;
    const index = this.#elapsed(chunk, now);
    const action = chunk.steps[index];
    if (!action) return null;
    this.#first ??= index;
    const own = { chunk, index, progress: this.#progressOf(chunk, now), stepS: chunk.stepS / this.#options.speed };
    const previous = this.#blended < this.#options.blendSteps ? this.#previous : null;
    const before = previous?.steps[this.#elapsed(previous, now)];
    if (!previous || !before) {
      this.#previous = null;
      return { ...own, action, before: null };
    }
    const share = ++this.#blended / (this.#options.blendSteps + 1);
    // The gripper's command is a switch: the new chunk has it.
    const blended = action.map((value, j) =>
      j === action.length - 1 ? value : share * value + (1 - share) * before[j]!,
    );
    const progress = this.#progressOf(previous, now);
    return { ...own, action: blended, before: { chunk: previous, progress, share } };
  }

  /** Where a chunk is one tick from now, in steps: step k is reached k + 1 steps after the chunk's observation. */
  #progressOf(chunk: ActionChunk, now: Nanoseconds): number {
    const { speed } = this.#options;
    return (toSeconds(now - chunk.stamp) / chunk.stepS) * speed + speed + BEFORE_FIRST;
  }

  /** Steps whose time is over: step k is given out during the k-th step after the chunk's observation. */
  #elapsed(chunk: ActionChunk, now: Nanoseconds): number {
    return Math.max(0, Math.floor(this.#progressOf(chunk, now) + EPSILON_STEPS));
  }
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
