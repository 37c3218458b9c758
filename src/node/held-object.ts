import type { Nanoseconds } from '../core/time.js';
import type { Command } from '../execution/executor.js';
import { isClosing } from '../execution/reference-command.js';

/** Executed steps in a row that close the gripper, after which it has closed: half a second at 15 Hz is what a Franka hand needs. */
const CLOSING_STEPS = 6;

/** Whether the robot holds something, as far as it can know: by what its gripper was told. */
export class HeldObject {
  #closingSteps = 0;
  #since: Nanoseconds | null = null;

  /** When the gripper had closed; null while it holds nothing. */
  get since(): Nanoseconds | null {
    return this.#since;
  }

  /** A command that holds or stops the arm says nothing about the gripper. */
  sawCommand({ step, stamp }: Command): void {
    if (!step) return;
    if (!isClosing(step.action.at(-1)!)) {
      this.#closingSteps = 0;
      this.#since = null;
      return;
    }
    this.#closingSteps++;
    if (this.#closingSteps === CLOSING_STEPS) this.#since = stamp;
  }
}
