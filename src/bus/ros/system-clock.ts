import { Observable, Subject, takeUntil } from 'rxjs';
import { CancelledError } from '../../core/errors.js';
import { fromSeconds, type Nanoseconds } from '../../core/time.js';
import type { Clock } from '../clock.js';

/** A difference of system and monotonic clock that grows by more than this between two looks was set; slewing by NTP is at most 0.5 ms a second. */
const JUMP = fromSeconds(0.1);

/** The system's time, which ROS stamps messages with, and which somebody may set while it runs. */
export class SystemClock implements Clock {
  readonly #jumps = new Subject<Nanoseconds>();
  readonly jumps: Observable<Nanoseconds> = this.#jumps.asObservable();
  readonly #closed = new Subject<void>();
  readonly #pending = new Map<NodeJS.Timeout, (error: Error) => void>();
  readonly #read: () => Nanoseconds;
  readonly #monotonic: () => Nanoseconds;
  #offset: Nanoseconds;

  /** @param read the system's time. @param monotonic a clock that cannot be set. */
  constructor(read: () => Nanoseconds, monotonic: () => Nanoseconds = () => process.hrtime.bigint()) {
    this.#read = read;
    this.#monotonic = monotonic;
    this.#offset = read() - monotonic();
  }

  now(): Nanoseconds {
    const now = this.#read();
    const offset = now - this.#monotonic();
    const by = offset - this.#offset;
    this.#offset = offset;
    if (by > JUMP || by < -JUMP) this.#jumps.next(by);
    return now;
  }

  async sleepUntil(instant: Nanoseconds): Promise<void> {
    // A timer may fire up to a millisecond early, and the clock may have been set meanwhile.
    for (let left = instant - this.now(); left > 0n; left = instant - this.now()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => {
            this.#pending.delete(timer);
            resolve();
          },
          Math.min(Math.ceil(Number(left) / 1e6), LONGEST_TIMEOUT_MS),
        );
        this.#pending.set(timer, reject);
      });
    }
  }

  /** Due times are counted on the monotonic clock: neither timers that are late nor a clock that is set change the rate. */
  every(period: Nanoseconds): Observable<Nanoseconds> {
    return new Observable<Nanoseconds>((subscriber) => {
      let due = this.#monotonic() + period;
      let timer: NodeJS.Timeout;
      const wait = (): void => {
        const left = due - this.#monotonic();
        timer = setTimeout(
          () => {
            if (this.#monotonic() < due) {
              wait();
              return;
            }
            // Ticks that a busy process has missed are left out: made up in a burst they would be no rate.
            const late = (this.#monotonic() - due) / period;
            due += (late + 1n) * period;
            // Planned before the tick is delivered, so that a tick that throws does not stop the rate.
            wait();
            subscriber.next(this.now());
          },
          Math.max(0, Number(left) / 1e6),
        );
      };
      wait();
      return () => {
        clearTimeout(timer);
      };
    }).pipe(takeUntil(this.#closed));
  }

  close(): void {
    this.#closed.next();
    for (const [timer, reject] of this.#pending) {
      clearTimeout(timer);
      reject(new CancelledError('waiting on the clock'));
    }
    this.#pending.clear();
    this.#jumps.complete();
  }
}

/** Node.js fires longer ones at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
