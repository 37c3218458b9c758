import type { JointStateMessage } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import { findArmJoints, readJoints } from './joint-states.js';

/** What the arm's joints are called in joint states, from base to hand. */
export interface ArmNames {
  /** As configured; null where they are to be found. */
  readonly joints: readonly string[] | null;
  /** The arm's own names. Where they are not heard, the only complete set of seven joints is taken for the arm. */
  readonly ownJoints: readonly string[];
}

/**
 * The arm's joints in a stream of joint states. Others share the topic: grippers, mobile bases, a second arm. An arm with the arm's own names is the
 * arm. Where no arm has them, the only complete arm is taken; a second one makes both unusable, since nothing tells which one is to move.
 */
export class JointReader {
  readonly #names: ArmNames;
  #arm: readonly string[] | null;
  #other: readonly string[] | null = null;
  #hasRead = false;

  constructor(names: ArmNames) {
    this.#names = names;
    this.#arm = names.joints;
  }

  /** Null until an arm has been seen, unless its joints are configured. */
  get armJoints(): readonly string[] | null {
    return this.#arm;
  }

  /** Some message was of the arm, whether it could be used or not. */
  get hasRead(): boolean {
    return this.#hasRead;
  }

  /**
   * Null for a message that is not of this arm.
   * @throws InputError `joints.ambiguous` once two complete arms have been seen, and what readJoints throws: a part of the arm is not the arm.
   */
  read(message: JointStateMessage): JointPositions | null {
    if (this.#names.joints === null) this.#look(message.name);
    const arm = this.#arm;
    if (!arm?.some((name) => message.name.includes(name))) return null;
    this.#hasRead = true;
    return readJoints(message, arm);
  }

  #look(names: readonly string[]): void {
    const { ownJoints } = this.#names;
    if (this.#arm === ownJoints) return;
    if (ownJoints.every((name) => names.includes(name))) {
      this.#arm = ownJoints;
      return;
    }
    const found = findArmJoints(names);
    if (found && this.#arm && found.join() !== this.#arm.join()) this.#other ??= found;
    this.#arm ??= found;
    if (found && this.#other) throw twoArms(this.#arm!, this.#other);
  }
}

function twoArms(one: readonly string[], other: readonly string[]): InputError {
  return new InputError({
    code: 'joints.ambiguous',
    message: `the joint states are of two arms: ${one.join(', ')} and ${other.join(', ')}`,
    remedy: `say which one is meant, with a line in the configuration: arm.joints: [${one.join(', ')}]`,
  });
}
