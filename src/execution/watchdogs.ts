import { toSeconds, type Nanoseconds } from '../core/time.js';

/** Something that makes the robot stop. */
export interface Fault {
  /** Stable, such as `stale.joints`. */
  readonly code: string;
  /** What the operator reads. */
  readonly message: string;
  readonly remedy: string;
  /**
   * `brake`: the arm is led to a stop, as fast as its limits allow. `silent`: nothing more is sent, since it would not be heard, or not be known to
   * be right.
   */
  readonly reaction: 'brake' | 'silent';
}

/** A stream of the outside world that must not dry up. */
export interface WatchedStream {
  /** For messages: `camera exo_camera_1`. */
  readonly what: string;
  /** Longest age, seconds, both since it was received and by its stamp. */
  readonly maxAgeS: number;
  /** Pictures: longest time for which the same content may come again and again, seconds. */
  readonly maxSameS?: number;
}

interface Seen {
  readonly receivedS: number;
  readonly stamp: Nanoseconds;
  readonly content: string | null;
  readonly sameSinceS: number;
}

/** Stamps may be ahead of the clock by as much as two machines differ. */
const AHEAD_S = 0.1;

/**
 * Ages of what the robot is steered by. Each is judged twice: by the receiver's monotonic clock, which no jump of the system's clock touches, and by
 * the stamp, which tells of data that were old when they came.
 */
export class Watchdogs {
  readonly #streams: ReadonlyMap<string, WatchedStream>;
  readonly #monotonicS: () => number;
  readonly #seen = new Map<string, Seen>();

  /** @param monotonicS seconds of a clock that never jumps. */
  constructor(streams: Readonly<Record<string, WatchedStream>>, monotonicS: () => number) {
    this.#streams = new Map(Object.entries(streams));
    this.#monotonicS = monotonicS;
  }

  /** @param content what tells pictures apart, such as a checksum. */
  saw(stream: string, stamp: Nanoseconds, content: string | null = null): void {
    const receivedS = this.#monotonicS();
    const before = this.#seen.get(stream);
    const isSame = content !== null && before?.content === content;
    this.#seen.set(stream, { receivedS, stamp, content, sameSinceS: isSame ? before.sameSinceS : receivedS });
  }

  /** After a jump of the clock stamps mean nothing; everything must come anew. */
  clear(): void {
    this.#seen.clear();
  }

  /** Everything that is wrong now. @param except streams that are not asked for. */
  faults(now: Nanoseconds, except: readonly string[] = []): readonly Fault[] {
    const nowS = this.#monotonicS();
    return [...this.#streams].flatMap(([name, stream]) => {
      const why = except.includes(name) ? null : this.#complaint(stream, this.#seen.get(name), now, nowS);
      return why === null
        ? []
        : [
            {
              code: `${why.kind}.${name}`,
              message: `${stream.what}: ${why.text}`,
              remedy: why.remedy,
              reaction: 'brake' as const,
            },
          ];
    });
  }

  #complaint(
    { maxAgeS, maxSameS }: WatchedStream,
    seen: Seen | undefined,
    now: Nanoseconds,
    nowS: number,
  ): {
    readonly kind: 'missing' | 'stale' | 'constant' | 'ahead';
    readonly text: string;
    readonly remedy: string;
  } | null {
    if (!seen) {
      return {
        kind: 'missing',
        text: 'nothing has come',
        remedy: 'check that its publisher runs, and the topic in the configuration',
      };
    }
    const age = nowS - seen.receivedS;
    if (age > maxAgeS) {
      return {
        kind: 'stale',
        text: `nothing has come for ${age.toFixed(2)} s (allowed: ${maxAgeS.toFixed(2)} s)`,
        remedy: 'look at its publisher and the network, then start again',
      };
    }
    const stampAge = toSeconds(now - seen.stamp);
    if (stampAge > maxAgeS + AHEAD_S) {
      return {
        kind: 'stale',
        text: `its stamp is ${stampAge.toFixed(2)} s old, though it came just now (allowed: ${maxAgeS.toFixed(2)} s)`,
        remedy: 'synchronise the clocks of the machines, or look for a queue that delays it',
      };
    }
    if (-stampAge > AHEAD_S) {
      return {
        kind: 'ahead',
        text: `its stamp is ${(-stampAge).toFixed(2)} s in the future`,
        remedy: 'synchronise the clocks of the machines; with recorded or simulated data use the same clock for all',
      };
    }
    if (maxSameS !== undefined && nowS - seen.sameSinceS > maxSameS) {
      return {
        kind: 'constant',
        text: `the same picture has come for ${(nowS - seen.sameSinceS).toFixed(2)} s`,
        remedy: 'restart the camera: it repeats its last picture',
      };
    }
    return null;
  }
}
