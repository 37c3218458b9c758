import { Observable, Subject } from 'rxjs';
import { CancelledError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import type { Clock } from '../clock.js';

interface Timer {
  readonly due: Nanoseconds;
  /** Order of creation, so that timers due together fire in a fixed order. */
  readonly order: number;
  readonly fire: () => void;
  readonly cancel: () => void;
}

/** Time that moves only when it is told to: a replay repeats exactly, as fast as its stages allow. */
export class VirtualClock implements Clock {
  readonly #jumps = new Subject<Nanoseconds>();
  readonly jumps: Observable<Nanoseconds> = this.#jumps.asObservable();
  readonly #timers = new Set<Timer>();
  #now: Nanoseconds;
  #created = 0;

  constructor(start: Nanoseconds = 0n) {
    this.#now = start;
  }

  now(): Nanoseconds {
    return this.#now;
  }

  /** Moves time forward, firing every timer on the way at its own due time; moving back is a jump: timers restart from there. */
  advanceTo(instant: Nanoseconds): void {
    if (instant < this.#now) {
      this.jumpTo(instant);
      return;
    }
    for (let next = this.#nextDue(instant); next; next = this.#nextDue(instant)) {
      this.#timers.delete(next);
      // A jump forward leaves sleepers behind whose time has passed.
      if (next.due > this.#now) this.#now = next.due;
      next.fire();
    }
    this.#now = instant;
  }

  /** Time is set, forward or back, without passing what lies between: rates start again from there, and who sleeps until then wakes. */
  jumpTo(instant: Nanoseconds): void {
    const difference = instant - this.#now;
    this.#now = instant;
    this.#jumps.next(difference);
  }

  sleepUntil(instant: Nanoseconds): Promise<void> {
    if (instant <= this.#now) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#schedule(instant, resolve, () => {
        reject(new CancelledError('waiting on the clock'));
      });
    });
  }

  every(period: Nanoseconds): Observable<Nanoseconds> {
    return new Observable((subscriber) => {
      let timer: Timer | undefined;
      const plan = (due: Nanoseconds): void => {
        timer = this.#schedule(
          due,
          () => {
            // Planned before the tick is delivered, so that a tick that throws does not stop the rate.
            plan(due + period);
            subscriber.next(due);
          },
          () => {
            subscriber.complete();
          },
        );
      };
      plan(this.#now + period);
      const jumped = this.#jumps.subscribe(() => {
        if (timer) this.#timers.delete(timer);
        plan(this.#now + period);
      });
      return () => {
        if (timer) this.#timers.delete(timer);
        jumped.unsubscribe();
      };
    });
  }

  close(): void {
    const timers = [...this.#timers];
    this.#timers.clear();
    for (const timer of timers) timer.cancel();
    this.#jumps.complete();
  }

  #schedule(due: Nanoseconds, fire: () => void, cancel: () => void): Timer {
    const timer: Timer = { due, order: this.#created++, fire, cancel };
    this.#timers.add(timer);
    return timer;
  }

  #nextDue(until: Nanoseconds): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due > until) continue;
      if (!next || timer.due < next.due || (timer.due === next.due && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
