import type { JointTrajectory } from '../bus/messages.js';
import type { Arm } from '../core/arm.js';
import type { Nanoseconds } from '../core/time.js';
import { CommandLink, type LinkSettings } from './command-link.js';
import type { ControllerSettings } from './controller-settings.js';
import type { Plant } from './lagging-arm.js';
import { LimitJudge, type Verdict } from './limit-judge.js';
import { TrajectoryController, type Refusal } from './trajectory-controller.js';

export interface ControlledArmOptions {
  readonly arm: Arm;
  /** Names of its joints from base to hand. */
  readonly joints: readonly string[];
  readonly settings: ControllerSettings;
  readonly link: LinkSettings;
  /** How far the controller's clock is ahead of the sender's, seconds; negative is behind. */
  readonly clockAheadS: number;
  readonly random: () => number;
  readonly plant: Plant;
  /** Of the sender's clock: when the controller is activated. */
  readonly start: Nanoseconds;
}

export interface ControlledArmFigures extends Verdict {
  readonly sent: number;
  readonly lost: number;
  readonly refused: number;
  /** Of which the first, by the controller's words. */
  readonly firstRefusal: Refusal | null;
  /** Times at which the controller gave up a trajectory and held the measured position. */
  readonly holds: readonly string[];
  /** Longest time without a message while the arm was commanded to move, seconds. */
  readonly silenceInMotionS: number;
}

/** A controller at the end of a link, cycle by cycle with what it commands, and a judge of that. Times are of the sender's clock. */
export class ControlledArm {
  readonly controller: TrajectoryController;
  readonly #options: ControlledArmOptions;
  readonly #link: CommandLink;
  readonly #judge: LimitJudge;
  readonly #aheadNs: Nanoseconds;
  /** Cycles that are over. */
  #cycles = 0;
  #heardNs: number | null = null;
  #silenceNs = 0;

  constructor(options: ControlledArmOptions) {
    const { arm, joints, settings, link, random, plant, start, clockAheadS } = options;
    this.#options = options;
    this.#aheadNs = BigInt(Math.round(clockAheadS * 1e9));
    this.#link = new CommandLink(link, random);
    this.controller = new TrajectoryController(settings, joints, plant.measured.positions, start + this.#aheadNs);
    this.#judge = new LimitJudge(arm, settings.cycleNs / 1e9, plant.measured.positions);
  }

  get figures(): ControlledArmFigures {
    const { refusals, holds } = this.controller;
    return {
      ...this.#judge.verdict,
      ...this.#link.figures,
      refused: refusals.length,
      firstRefusal: refusals[0] ?? null,
      holds,
      silenceInMotionS: this.#silenceNs / 1e9,
    };
  }

  get verdict(): Verdict {
    return this.#judge.verdict;
  }

  send(message: JointTrajectory, now: Nanoseconds): void {
    this.#link.send(message, Number(now - this.#options.start));
  }

  /** Lets control cycles pass up to this time. @param goesOn asked after each; what stops the arm stops its cycles. */
  runTo(until: Nanoseconds, goesOn: () => boolean = () => true): void {
    const { settings, plant, start } = this.#options;
    const untilNs = Number(until - start);
    for (let nowNs = this.#cycles * settings.cycleNs; nowNs <= untilNs; nowNs = this.#cycles * settings.cycleNs) {
      this.#cycles++;
      for (let next = this.#link.take(nowNs); next; next = this.#link.take(nowNs)) {
        this.controller.receive(next.message, start + BigInt(next.atNs) + this.#aheadNs);
        this.#heardNs = next.atNs;
      }
      const command = this.controller.update(start + BigInt(nowNs) + this.#aheadNs, plant.measured);
      const moves = this.#judge.see(command);
      if (moves) this.#silenceNs = Math.max(this.#silenceNs, nowNs - (this.#heardNs ?? nowNs));
      plant.follow(command);
      if (!goesOn()) return;
    }
  }
}
