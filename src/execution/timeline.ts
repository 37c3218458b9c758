import type { Nanoseconds } from '../core/time.js';
import { advanceCurve, brakingInput, curveAtRest, isResting, type CurveTick } from './curve.js';
import type { Limits } from './limiter.js';

/** All joints at one moment: radians, rad/s, rad/s^2. */
export interface CurveState {
  readonly positions: readonly number[];
  readonly velocities: readonly number[];
  readonly accelerations: readonly number[];
}

/** Past ticks are kept for this time, because measurements that come late are judged by them. */
const KEPT_S = 1.5;

/**
 * The curve of the arm over time, from rest to rest. It is fixed up to its end, and only `append` moves the end on. Behind the end it brakes as hard as
 * the limits allow and then rests, until something else is appended.
 */
export class Timeline {
  readonly limits: Limits;
  readonly #epoch: Nanoseconds;
  /** Ticks `first`, `first` + 1, ... up to the end. */
  readonly #ticks: CurveTick[];
  #first = 0;
  /** Since which tick everything that is fixed is at rest; null while its end moves. */
  #fixedRest: number | null = 0;
  /** The ticks behind the end, up to the first one at rest; null after a change, until somebody asks for them. */
  #tail: CurveTick[] | null = null;

  /** A curve that rests. @param start stamp of its tick 0. @param positions radians. */
  constructor(limits: Limits, start: Nanoseconds, positions: readonly number[]) {
    this.limits = limits;
    this.#epoch = start;
    this.#ticks = [curveAtRest(limits, positions)];
  }

  /** Number of the last tick that is fixed. */
  get end(): number {
    return this.#first + this.#ticks.length - 1;
  }

  get endState(): CurveTick {
    return this.#ticks.at(-1)!;
  }

  /** The first tick from which the arm rests, when nothing more is appended. */
  get restsFrom(): number {
    return this.#fixedRest ?? this.end + this.#tailTicks().length;
  }

  stampOf(tick: number): Nanoseconds {
    return this.#epoch + BigInt(tick) * this.limits.periodNs;
  }

  /** A time as a number of ticks, with a fraction. */
  tickAt(stamp: Nanoseconds): number {
    const { periodNs } = this.limits;
    const since = stamp - this.#epoch;
    return Number(since / periodNs) + Number(since % periodNs) / Number(periodNs);
  }

  /** One more tick. @param input accelerations of the leading motion, rad/s^2. */
  append(input: Float64Array): void {
    this.#ticks.push(advanceCurve(this.limits, this.endState, input));
    this.#tail = null;
    this.#fixedRest = isResting(this.endState) ? (this.#fixedRest ?? this.end) : null;
    const kept = Math.ceil(KEPT_S / this.limits.tickS) + 2;
    // Many are dropped at once, because taking one from the front moves all others.
    if (this.#ticks.length <= 2 * kept) return;
    const dropped = this.#ticks.length - kept;
    this.#ticks.splice(0, dropped);
    this.#first += dropped;
  }

  /** Makes the tail a fixed part of the curve up to this tick. */
  brakeTo(tick: number): void {
    while (this.end < tick) this.append(brakingInput(this.limits, this.endState));
  }

  /** State at a tick; outside of what is known, the first or the last state. */
  tick(number: number): CurveTick {
    if (number <= this.#first) return this.#ticks[0]!;
    if (number <= this.end) return this.#ticks[number - this.#first]!;
    const tail = this.#tailTicks();
    return tail[Math.min(number - this.end, tail.length) - 1] ?? this.endState;
  }

  /** State at any time. */
  at(stamp: Nanoseconds): CurveState {
    const { tickS } = this.limits;
    const at = this.tickAt(stamp);
    const number = Math.floor(at);
    const { positions: q, velocities: v, accelerations: a } = this.tick(number);
    const next = this.tick(number + 1).accelerations;
    // Before the beginning and behind the rest nothing moves.
    const t = number < this.#first || number >= this.restsFrom ? 0 : (at - number) * tickS;
    const jerk = (j: number): number => (next[j]! - a[j]!) / tickS;
    return {
      positions: Array.from(q, (x, j) => x + t * (v[j]! + t * (a[j]! / 2 + (t * jerk(j)) / 6))),
      velocities: Array.from(v, (x, j) => x + t * (a[j]! + (t * jerk(j)) / 2)),
      accelerations: Array.from(a, (x, j) => x + t * jerk(j)),
    };
  }

  isRestingAt(stamp: Nanoseconds): boolean {
    return this.tickAt(stamp) >= this.restsFrom;
  }

  #tailTicks(): readonly CurveTick[] {
    if (this.#tail) return this.#tail;
    const tail: CurveTick[] = [];
    for (let tick = this.endState; !isResting(tick); tail.push(tick)) {
      tick = advanceCurve(this.limits, tick, brakingInput(this.limits, tick));
    }
    return (this.#tail = tail);
  }
}
