import { describeError, InputError, PlannerError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';
import type { ChunkQueue, QueuedStep } from './chunk-queue.js';
import type { GripperSwitch } from './gripper.js';
import {
  brakeStep,
  isStanding,
  limitStep,
  standingAt,
  type LimitedStep,
  type LimitReason,
  type Limits,
  type MotionState,
} from './limiter.js';
import type { Fault } from './watchdogs.js';

/**
 * `idle`: never started. `active`: commands follow the chunks. `stopping`: the arm is led to a stop. `stopped`: latched, until someone starts it
 * again, from where the arm then is.
 */
export type Phase = 'idle' | 'active' | 'stopping' | 'stopped';

export interface ExecutorOptions {
  readonly limits: Limits;
  readonly queue: ChunkQueue;
  readonly gripper: GripperSwitch;
  /** Joints of an action vector that are changes of the measured ones. */
  readonly relative?: boolean;
  /** Slow start: part of the arm's velocities at first, and seconds until all of them may be used. */
  readonly slowStart?: { readonly scale: number; readonly overS: number };
  /** A command that is further from the measured arm than this is not followed by the robot, radians. */
  readonly maxTrackingErrorRad?: number;
}

export interface Command {
  readonly stamp: Nanoseconds;
  /** Seconds since the command before, in which the way here is within the limits. */
  readonly dtS: number;
  readonly positions: readonly number[];
  readonly velocities: readonly number[];
  /** Metres; null when the gripper is to stay as it is. */
  readonly gripperWidthM: number | null;
  /** Null while the arm holds or stops. */
  readonly step: QueuedStep | null;
  readonly limited: LimitedStep;
}

export interface Stop {
  readonly at: Nanoseconds;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export interface ExecutorFigures {
  readonly commands: number;
  readonly holds: number;
  readonly stops: readonly Stop[];
  /** For each joint, how many commands were limited by what. */
  readonly limited: readonly Readonly<Partial<Record<LimitReason, number>>>[];
}

const DEFAULT_TRACKING_RAD = 0.3;

/** The latch between plans and the robot: nothing moves before a start, and any fault ends in a stop that only a new start ends. */
export class Executor {
  readonly #options: ExecutorOptions;
  #phase: Phase = 'idle';
  #state: MotionState | null = null;
  #lastAt: Nanoseconds = 0n;
  #startedAt: Nanoseconds = 0n;
  #commands = 0;
  #holds = 0;
  readonly #stops: Stop[] = [];
  readonly #limited: Partial<Record<LimitReason, number>>[];

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#limited = options.limits.joints.map(() => ({}));
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The last stop; null when there was none. */
  get lastStop(): Stop | null {
    return this.#stops.at(-1) ?? null;
  }

  /**
   * Begins anew from where the arm is measured; nothing of an earlier run is left.
   * @param faults what forbids it. @param isHolding something is in the gripper, which is not to be dropped.
   * @throws InputError `executor.active`, `executor.fault`, `limiter.measured`, `limiter.outside`.
   */
  start(now: Nanoseconds, measured: readonly number[] | null, faults: readonly Fault[], isHolding = false): void {
    if (this.#phase === 'active' || this.#phase === 'stopping') {
      throw new InputError({
        code: 'executor.active',
        message: `the arm is ${this.#phase === 'active' ? 'active already' : 'coming to a stop'}`,
        remedy: 'stop it first, and wait until it stands',
      });
    }
    const [fault] = faults;
    if (fault ?? !measured) {
      throw new InputError({
        code: 'executor.fault',
        message: `the arm is not started: ${fault ? fault.message : 'where its joints are is not known'}`,
        remedy: fault?.remedy ?? 'publish its joint states',
      });
    }
    this.#state = standingAt(this.#options.limits, measured);
    this.#options.queue.clear();
    this.#options.gripper.reset(isHolding);
    this.#lastAt = now - BigInt(Math.round(this.#options.limits.options.periodS * 1e9));
    this.#startedAt = now;
    this.#phase = 'active';
  }

  /** Latched. The queue is emptied: no plan survives a stop. */
  stop(now: Nanoseconds, { code, message, remedy, reaction }: Fault): void {
    if (this.#phase === 'idle' || this.#phase === 'stopped') return;
    if (this.#phase === 'active') this.#stops.push({ at: now, code, message, remedy });
    this.#options.queue.clear();
    this.#phase = reaction === 'silent' || !this.#state || isStanding(this.#state) ? 'stopped' : 'stopping';
    if (this.#phase === 'stopped') this.#state = null;
  }

  /**
   * What the robot is sent now; null for nothing.
   * @param measured joint positions, radians. @param faults what the watchdogs have to say.
   */
  tick(now: Nanoseconds, measured: readonly number[] | null, faults: readonly Fault[]): Command | null {
    for (const fault of faults) this.stop(now, fault);
    if (this.#phase !== 'active' && this.#phase !== 'stopping') return null;
    const dtS = toSeconds(now - this.#lastAt);
    // Two ticks at once: the second one changes nothing.
    if (dtS >= 0 && dtS < this.#options.limits.minDtS) return null;
    try {
      const command = this.#phase === 'active' ? this.#follow(now, measured, dtS) : this.#brake(now, dtS);
      this.#lastAt = now;
      this.#state = command.limited;
      this.#count(command);
      if (this.#phase === 'stopping' && isStanding(command.limited)) {
        this.#phase = 'stopped';
        this.#state = null;
      }
      return command;
    } catch (error) {
      const isGap = error instanceof PlannerError && error.code === 'limiter.dt';
      this.stop(now, {
        code: error instanceof PlannerError ? error.code : 'executor.unexpected',
        message: describeError(error),
        remedy: error instanceof PlannerError ? error.remedy : 'this is a fault of the software: please report it',
        // After a gap the arm stands where it was last sent: there is nothing to brake.
        reaction: isGap ? 'silent' : 'brake',
      });
      // The stop begins with this tick.
      return this.#isStopping() ? this.tick(now, measured, []) : null;
    }
  }

  figures(): ExecutorFigures {
    return { commands: this.#commands, holds: this.#holds, stops: this.#stops, limited: this.#limited };
  }

  #isStopping(): boolean {
    return this.#phase === 'stopping';
  }

  #follow(now: Nanoseconds, measured: readonly number[] | null, dtS: number): Command {
    const { limits, queue, gripper, relative, maxTrackingErrorRad = DEFAULT_TRACKING_RAD } = this.#options;
    const state = this.#state!;
    if (!measured) throw unknownJoints();
    const step = queue.next(now);
    if (!step) {
      // Nothing to do: the arm is led to a stand and stays there.
      this.#holds++;
      return this.#command(now, dtS, brakeStep(limits, state, dtS), null, null);
    }
    const bad = step.action.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw badAction(step, bad);
    const joints = step.action.slice(0, -1);
    const proposed = relative ? joints.map((delta, j) => delta + (measured[j] ?? Number.NaN)) : joints;
    const limited = limitStep(limits, state, measured, proposed, dtS, this.#speedScale(now));
    const astray = limited.positions.findIndex((q, j) => Math.abs(q - measured[j]!) > maxTrackingErrorRad);
    if (astray >= 0) throw notFollowing(astray, limited.positions[astray]!, measured[astray]!);
    return this.#command(now, dtS, limited, gripper.update(step.action.at(-1)!), step);
  }

  #brake(now: Nanoseconds, dtS: number): Command {
    return this.#command(now, dtS, brakeStep(this.#options.limits, this.#state!, dtS), null, null);
  }

  #command(
    stamp: Nanoseconds,
    dtS: number,
    limited: LimitedStep,
    gripperWidthM: number | null,
    step: QueuedStep | null,
  ): Command {
    return { stamp, dtS, positions: limited.positions, velocities: limited.velocities, gripperWidthM, step, limited };
  }

  #count({ limited, step }: Command): void {
    this.#commands++;
    if (!step) return;
    limited.limitedBy.forEach((reason, j) => {
      if (reason) this.#limited[j]![reason] = (this.#limited[j]![reason] ?? 0) + 1;
    });
  }

  #speedScale(now: Nanoseconds): number {
    const { slowStart } = this.#options;
    if (!slowStart) return 1;
    const share = Math.min(1, toSeconds(now - this.#startedAt) / slowStart.overS);
    return slowStart.scale + (1 - slowStart.scale) * share;
  }
}

function unknownJoints(): InputError {
  return new InputError({
    code: 'executor.joints',
    message: 'where the joints of the arm are is not known',
    remedy: 'publish its joint states, then start again',
  });
}

function badAction({ action, chunk, index }: QueuedStep, bad: number): InputError {
  return new InputError({
    code: 'executor.action',
    message: `step ${index} of a chunk of ${chunk.planner} has ${action[bad]!} as its value ${bad + 1}`,
    remedy: 'the chunk is dropped; check the model with molmo-motion parity, then start again',
  });
}

function notFollowing(joint: number, commanded: number, measured: number): InputError {
  return new InputError({
    code: 'executor.tracking',
    message: `joint ${joint + 1} was sent to ${commanded.toFixed(4)} rad and stands at ${measured.toFixed(4)} rad: the robot does not follow`,
    remedy: 'look whether something holds the arm, or another program moves it; then start again',
  });
}
