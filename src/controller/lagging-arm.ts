import type { MeasuredJoints } from './trajectory-controller.js';

/** What carries out the commands of a controller. */
export interface Plant {
  readonly measured: MeasuredJoints;
  /** The command of one control cycle, radians, for the time until the next one. */
  follow(command: Float64Array): void;
}

/** An arm that is measured where it was commanded, a little later: a first-order lag. */
export class LaggingArm implements Plant {
  readonly measured: { readonly positions: Float64Array; readonly velocities: Float64Array };
  readonly #share: number;
  readonly #cycleS: number;

  /** @param lagS time constant, seconds; 0 follows at once. */
  constructor(start: ArrayLike<number>, lagS: number, cycleS: number) {
    this.measured = { positions: Float64Array.from(start), velocities: new Float64Array(start.length) };
    this.#share = lagS === 0 ? 1 : 1 - Math.exp(-cycleS / lagS);
    this.#cycleS = cycleS;
  }

  follow(command: Float64Array): void {
    const { positions, velocities } = this.measured;
    for (let j = 0; j < positions.length; j++) {
      const way = this.#share * (command[j]! - positions[j]!);
      positions[j]! += way;
      velocities[j] = way / this.#cycleS;
    }
  }
}
