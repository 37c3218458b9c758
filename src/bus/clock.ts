import type { Observable } from 'rxjs';
import type { Nanoseconds } from '../core/time.js';

/** The only source of time: real on a robot, virtual in a replay or simulation. */
export interface Clock {
  now(): Nanoseconds;
  /** Resolves once `now()` has reached the instant; rejects with CancelledError when the clock is closed first. */
  sleepUntil(instant: Nanoseconds): Promise<void>;
  /** Ticks at a fixed rate without drift from the moment of subscription; each value is the tick's due time. */
  every(period: Nanoseconds): Observable<Nanoseconds>;
  /** Jumps of the clock (a looped bag, a reset simulation): negative is back. Caches and histories must be cleared. */
  readonly jumps: Observable<Nanoseconds>;
}
