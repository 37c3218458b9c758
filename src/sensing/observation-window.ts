import { ConfigurationError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';

export interface WindowOptions {
  /** Pictures in the window, the newest included. */
  readonly frames: number;
  /** Seconds between them. */
  readonly stepS: number;
  /** How far a picture may be from its place, seconds; half a step where left out. */
  readonly toleranceS?: number;
}

/**
 * The last n pictures of one camera at a given step: the newest, the one nearest to a step before it, and so on. Never padded: until enough
 * history has come there is no window, because a repeated picture would tell the model that nothing moves.
 */
export class ObservationWindow {
  readonly #options: WindowOptions;
  readonly #frames: CameraFrame[] = [];
  readonly #step: Nanoseconds;
  readonly #tolerance: Nanoseconds;

  constructor(options: WindowOptions) {
    if (!Number.isInteger(options.frames) || options.frames < 1 || !(options.stepS > 0)) {
      throw new ConfigurationError({
        code: 'window.options',
        message: `an observation window of ${options.frames} pictures every ${options.stepS} s is not usable`,
        remedy: 'ask for 1 or more pictures, and a step above 0',
      });
    }
    this.#options = options;
    this.#step = fromSeconds(options.stepS);
    this.#tolerance = fromSeconds(options.toleranceS ?? options.stepS / 2);
  }

  /** A picture that is older than the newest starts a new history: the camera's clock was set back. */
  add(frame: CameraFrame): void {
    if (this.#frames.length > 0 && frame.stamp <= this.#frames.at(-1)!.stamp) this.clear();
    this.#frames.push(frame);
    // One step more than the window reaches back, so that the oldest place can choose between two neighbours.
    const oldest = frame.stamp - this.#step * BigInt(this.#options.frames);
    while (this.#frames[0]!.stamp < oldest) this.#frames.shift();
  }

  clear(): void {
    this.#frames.length = 0;
  }

  /** Oldest first, the newest last; null while a place has no picture near it, or one would stand twice. */
  window(): readonly CameraFrame[] | null {
    const window = this.available();
    return window.length === this.#options.frames ? window : null;
  }

  /** The same as far back as it reaches without a hole: shorter, or empty, while history is still coming. */
  available(): readonly CameraFrame[] {
    const newest = this.#frames.at(-1);
    if (!newest) return [];
    const window = [newest];
    for (let back = 1; back < this.#options.frames; back++) {
      const due = newest.stamp - this.#step * BigInt(back);
      const nearest = this.#frames.reduce((best, frame) => (distance(frame, due) < distance(best, due) ? frame : best));
      if (distance(nearest, due) > this.#tolerance || nearest === window[0]) break;
      window.unshift(nearest);
    }
    return window;
  }
}

function distance(frame: CameraFrame, due: Nanoseconds): Nanoseconds {
  const difference = frame.stamp - due;
  return difference < 0n ? -difference : difference;
}
