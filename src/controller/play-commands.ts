import type { JointTrajectory } from '../bus/messages.js';
import type { Arm } from '../core/arm.js';
import { seededRandom } from '../core/random.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { LinkSettings } from './command-link.js';
import { ControlledArm, type ControlledArmFigures } from './controlled-arm.js';
import type { ControllerSettings } from './controller-settings.js';
import { LaggingArm } from './lagging-arm.js';

/** A trajectory as it was sent. */
export interface SentCommand {
  /** Of the sender's clock. */
  readonly at: Nanoseconds;
  readonly message: JointTrajectory;
}

export interface PlayOptions {
  readonly arm: Arm;
  readonly settings: ControllerSettings;
  readonly link: LinkSettings;
  /** How far the controller's clock is ahead of the sender's, seconds. */
  readonly clockAheadS: number;
  /** Of the arm that is commanded, seconds. */
  readonly lagS: number;
  /** Of delays and losses. */
  readonly seed: number;
  /** Where the arm stands at first, radians, in the order of the first message's joints. */
  readonly start: readonly number[];
}

/** For a braking tail and the resting point behind it to come to an end. */
const AFTERWARDS = fromSeconds(3);

/**
 * Plays recorded trajectories through a model of the controller that takes them, whoever has made them.
 * @param commands in the order in which they were sent; at least one. @returns what the arm would have been commanded, against its limits.
 */
export function playCommands(commands: readonly SentCommand[], options: PlayOptions): ControlledArmFigures {
  const { arm, settings, link, clockAheadS, lagS, seed, start } = options;
  const { at: first, message } = commands[0]!;
  const controlled = new ControlledArm({
    arm,
    joints: message.joint_names,
    settings,
    link,
    clockAheadS,
    random: seededRandom(seed),
    plant: new LaggingArm(start, lagS, settings.cycleNs / 1e9),
    start: first,
  });
  for (const { at, message: sent } of commands) {
    controlled.runTo(at - 1n);
    controlled.send(sent, at);
  }
  controlled.runTo(commands.at(-1)!.at + AFTERWARDS);
  return controlled.figures;
}
