import { ConfigurationError, InputError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';

interface Entry<M> {
  readonly stamp: Nanoseconds;
  readonly message: M;
}

interface Lane<M> {
  /** Not yet considered, oldest first. */
  readonly queue: Entry<M>[];
  /** Considered for the present pivot; put back when the search ends. */
  readonly past: Entry<M>[];
  dropped: boolean;
  newest: Nanoseconds | null;
}

export interface SynchronizerOptions {
  /** Widest spread of stamps within a set. The reference's default is endless; half a frame period is what a camera pair needs. */
  readonly maxInterval: Nanoseconds;
  /** Messages kept per topic, at least 2. */
  readonly queueSize: number;
}

/** The newer of two equally tight sets is preferred by this much (message_filters' default). */
const AGE_PENALTY = 1.1;
const NO_PIVOT = -1;

/**
 * Sets of messages with nearly equal stamps, one from each lane: the ApproximateTime policy of ROS message_filters (approximate_time.hpp).
 * Every message is used at most once, sets come out in time order, and memory is bounded. A set that is not exact is given out once later
 * messages prove that no better one exists, which costs about a frame.
 */
export class Synchronizer<M> {
  readonly #lanes: readonly Lane<M>[];
  #maxInterval: Nanoseconds;
  readonly #queueSize: number;
  readonly #emit: (set: readonly M[]) => void;
  #candidate: readonly Entry<M>[] | null = null;
  #candidateStart = 0n;
  #candidateEnd = 0n;
  #pivot = NO_PIVOT;
  #pivotTime = 0n;

  constructor(lanes: number, options: SynchronizerOptions, emit: (set: readonly M[]) => void) {
    if (options.queueSize < 2 || options.maxInterval < 0n) {
      throw new ConfigurationError({
        code: 'sync.options',
        message: `synchroniser queue ${options.queueSize} and interval ${toSeconds(options.maxInterval)} s are not usable`,
        remedy: 'keep at least 2 messages per topic and an interval of 0 or more',
      });
    }
    this.#lanes = Array.from({ length: lanes }, () => ({ queue: [], past: [], dropped: false, newest: null }));
    this.#maxInterval = options.maxInterval;
    this.#queueSize = options.queueSize;
    this.#emit = emit;
  }

  /** Narrows or widens what may form a set from now on. */
  set maxInterval(interval: Nanoseconds) {
    this.#maxInterval = interval;
  }

  /** @throws InputError `sync.out-of-order` for a stamp that is not newer than the lane's last: the message is not used. */
  add(lane: number, stamp: Nanoseconds, message: M): void {
    const own = this.#lanes[lane]!;
    if (own.newest !== null && stamp <= own.newest) {
      throw new InputError({
        code: 'sync.out-of-order',
        message: `a message is stamped ${toSeconds(own.newest - stamp).toFixed(6)} s before its predecessor`,
        remedy: 'check the clock of the driver; after a jump of the clock the histories must be cleared',
      });
    }
    own.newest = stamp;
    own.queue.push({ stamp, message });
    if (own.queue.length === 1) this.#process();
    if (own.queue.length + own.past.length > this.#queueSize) {
      // The search is given up, and the oldest message of the offending lane with it.
      for (const each of this.#lanes) restore(each);
      own.queue.shift();
      own.dropped = true;
      if (this.#pivot !== NO_PIVOT) {
        this.#candidate = null;
        this.#pivot = NO_PIVOT;
        this.#process();
      }
    }
  }

  /** At the end of a stream: gives out the set that was still waiting for proof. */
  flush(): void {
    while (this.#candidate) {
      this.#publish();
      this.#process();
    }
  }

  clear(): void {
    for (const lane of this.#lanes) {
      lane.queue.length = 0;
      lane.past.length = 0;
      lane.dropped = false;
      lane.newest = null;
    }
    this.#candidate = null;
    this.#pivot = NO_PIVOT;
  }

  #process(): void {
    while (this.#lanes.every((lane) => lane.queue.length > 0)) {
      const [startLane, start] = this.#first((lane) => lane.queue[0]!.stamp);
      const [endLane, end] = this.#last((lane) => lane.queue[0]!.stamp);
      // A message dropped earlier on another lane could not have made this set better: those lanes may be pivots again.
      this.#lanes.forEach((lane, i) => {
        if (i !== endLane) lane.dropped = false;
      });
      if (this.#pivot === NO_PIVOT) {
        if (end - start > this.#maxInterval || this.#lanes[endLane]!.dropped) {
          this.#lanes[startLane]!.queue.shift();
          continue;
        }
        this.#makeCandidate(start, end);
        this.#pivot = endLane;
        this.#pivotTime = end;
      } else if (Number(end - this.#candidateEnd) * AGE_PENALTY < Number(start - this.#candidateStart)) {
        this.#makeCandidate(start, end);
      }
      this.#moveToPast(startLane);
      if (
        startLane === this.#pivot ||
        Number(end - this.#candidateEnd) * AGE_PENALTY >= Number(this.#pivotTime - this.#candidateStart)
      ) {
        this.#publish();
      } else if (this.#lanes.some((lane) => lane.queue.length === 0)) {
        this.#proveWithoutWaiting();
      }
    }
  }

  /** A lane that is empty can only bring messages later than its last one (or the pivot): that may already be proof enough. */
  #proveWithoutWaiting(): void {
    const moves = this.#lanes.map(() => 0);
    const earliestPossible = (lane: Lane<M>): Nanoseconds => {
      const next = lane.queue[0];
      if (next) return next.stamp;
      const last = lane.past.at(-1)!.stamp;
      return last > this.#pivotTime ? last : this.#pivotTime;
    };
    for (;;) {
      const [startLane, start] = this.#first(earliestPossible);
      const [, end] = this.#last(earliestPossible);
      const worse = Number(end - this.#candidateEnd) * AGE_PENALTY;
      const proven = worse >= Number(this.#pivotTime - this.#candidateStart);
      if (proven || worse < Number(start - this.#candidateStart) || this.#lanes[startLane]!.queue.length === 0) {
        this.#lanes.forEach((lane, i) => {
          for (let n = moves[i]!; n > 0; n--) lane.queue.unshift(lane.past.pop()!);
        });
        if (proven) this.#publish();
        return;
      }
      this.#moveToPast(startLane);
      moves[startLane]!++;
    }
  }

  #makeCandidate(start: Nanoseconds, end: Nanoseconds): void {
    this.#candidate = this.#lanes.map((lane) => lane.queue[0]!);
    this.#candidateStart = start;
    this.#candidateEnd = end;
    for (const lane of this.#lanes) lane.past.length = 0;
  }

  #publish(): void {
    const set = this.#candidate!.map((entry) => entry.message);
    this.#candidate = null;
    this.#pivot = NO_PIVOT;
    for (const lane of this.#lanes) {
      restore(lane);
      // The oldest is now the member of the set: what was older had been given up when the set was formed.
      lane.queue.shift();
    }
    this.#emit(set);
  }

  #moveToPast(lane: number): void {
    const own = this.#lanes[lane]!;
    own.past.push(own.queue.shift()!);
  }

  #first(time: (lane: Lane<M>) => Nanoseconds): readonly [number, Nanoseconds] {
    return this.#extreme(time, (a, b) => a < b);
  }

  #last(time: (lane: Lane<M>) => Nanoseconds): readonly [number, Nanoseconds] {
    // Ties go to the last lane, as in the reference: were start and end one lane, its own head would be given up for itself.
    return this.#extreme(time, (a, b) => a >= b);
  }

  #extreme(
    time: (lane: Lane<M>) => Nanoseconds,
    better: (a: Nanoseconds, b: Nanoseconds) => boolean,
  ): readonly [number, Nanoseconds] {
    let index = 0;
    let best = time(this.#lanes[0]!);
    this.#lanes.forEach((lane, i) => {
      const value = time(lane);
      if (better(value, best)) {
        best = value;
        index = i;
      }
    });
    return [index, best];
  }
}

function restore<M>(lane: Lane<M>): void {
  lane.queue.unshift(...lane.past);
  lane.past.length = 0;
}
