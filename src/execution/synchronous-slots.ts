/**
 * The rhythm of the published client: at every slot the next action is asked for, and is executed when it comes. A slot that passes meanwhile is
 * made up for at once, however many have passed; the next one is again in the rhythm.
 */
export class SynchronousSlots {
  readonly #ask: () => void;
  #waiting = false;
  #missed = false;

  /** @param ask asks for the next action; it calls `await` where that takes time. */
  constructor(ask: () => void) {
    this.#ask = ask;
  }

  get isWaiting(): boolean {
    return this.#waiting;
  }

  /** What was asked for is not there yet. */
  await(): void {
    this.#waiting = true;
  }

  /** A slot of the rhythm. */
  slot(): void {
    if (this.#waiting) this.#missed = true;
    else this.#ask();
  }

  /** What was asked for has come, and has been executed. */
  arrived(): void {
    this.#waiting = false;
    if (!this.#missed) return;
    this.#missed = false;
    this.#ask();
  }

  clear(): void {
    this.#waiting = false;
    this.#missed = false;
  }
}
