import { interval, map, NEVER, Subject, takeUntil, type Observable } from 'rxjs';
import { CancelledError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import type { Clock } from '../clock.js';

/** Wall time that cannot be set back: the epoch is read once, then the monotonic clock counts. */
export class RealClock implements Clock {
  readonly jumps: Observable<Nanoseconds> = NEVER;
  readonly #offset = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  readonly #closed = new Subject<void>();
  readonly #pending = new Map<NodeJS.Timeout, (error: Error) => void>();

  now(): Nanoseconds {
    return process.hrtime.bigint() + this.#offset;
  }

  async sleepUntil(instant: Nanoseconds): Promise<void> {
    // setTimeout may fire up to a millisecond early; the loop makes the promise exact.
    for (let left = instant - this.now(); left > 0n; left = instant - this.now()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => {
            this.#pending.delete(timer);
            resolve();
          },
          Math.min(Math.ceil(Number(left) / 1e6), 2 ** 31 - 1),
        );
        this.#pending.set(timer, reject);
      });
    }
  }

  every(period: Nanoseconds): Observable<Nanoseconds> {
    return interval(Number(period) / 1e6).pipe(
      map(() => this.now()),
      takeUntil(this.#closed),
    );
  }

  close(): void {
    this.#closed.next();
    for (const [timer, reject] of this.#pending) {
      clearTimeout(timer);
      reject(new CancelledError('waiting on the clock'));
    }
    this.#pending.clear();
  }
}
