import type { JointTrajectory } from '../bus/messages.js';

/** The way from the sender to the controller. */
export interface LinkSettings {
  /** Each message takes a time between these, seconds, evenly distributed. */
  readonly delayS: readonly [least: number, most: number];
  /** Part of the messages that never comes, 0 to 1. */
  readonly loss: number;
}

export const PERFECT_LINK: LinkSettings = { delayS: [0, 0], loss: 0 };

/** Delays and loses messages. What comes, comes in the order in which it was sent, as on one connection. */
export class CommandLink {
  readonly figures = { sent: 0, lost: 0 };
  readonly #settings: LinkSettings;
  readonly #random: () => number;
  readonly #coming: { readonly atNs: number; readonly message: JointTrajectory }[] = [];
  #lastNs = Number.NEGATIVE_INFINITY;

  constructor(settings: LinkSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  send(message: JointTrajectory, nowNs: number): void {
    const { delayS, loss } = this.#settings;
    this.figures.sent++;
    if (this.#random() < loss) {
      this.figures.lost++;
      return;
    }
    const delay = delayS[0] + (delayS[1] - delayS[0]) * this.#random();
    this.#lastNs = Math.max(this.#lastNs, nowNs + Math.round(delay * 1e9));
    this.#coming.push({ atNs: this.#lastNs, message });
  }

  /** The next message that has come by then; null where none has. */
  take(nowNs: number): { readonly atNs: number; readonly message: JointTrajectory } | null {
    const next = this.#coming[0];
    if (!next || next.atNs > nowNs) return null;
    this.#coming.shift();
    return next;
  }
}
