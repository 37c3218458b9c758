import { CancelledError } from '../core/errors.js';

/** Lets one piece of work run at a time, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Rejects with CancelledError where the signal was aborted before its turn, and with what the work rejects with. */
  take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.#last.then(() => {
      if (signal.aborted) throw new CancelledError('a query');
      return work();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
