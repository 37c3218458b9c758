import { describeError, InputError, PlannerError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';
import type { ChunkQueue, QueuedStep } from './chunk-queue.js';
import type { GripperSwitch } from './gripper.js';
import { checkStanding, checkVector, type Limits } from './limiter.js';
import { PlanReference, type ChunkOrigin } from './plan-reference.js';
import { steer, type LimitReason } from './steering.js';
import { Timeline } from './timeline.js';
import { isJudged, judgeMeasured, judgeReference, type TrackingOptions } from './tracking.js';
import type { Fault } from './watchdogs.js';

/**
 * `idle`: never started. `active`: the curve follows the chunks. `stopping`: the arm is led to a stop. `stopped`: latched, until someone starts it
 * again, from where the arm then is.
 */
export type Phase = 'idle' | 'active' | 'stopping' | 'stopped';

export interface ExecutorOptions {
  readonly limits: Limits;
  readonly queue: ChunkQueue;
  readonly gripper: GripperSwitch;
  /**
   * So many ticks from the sending of a command are never changed by a later one, 1 or more. A controller stays on the curve while delay, difference of
   * clocks and losses in a row together take no longer than one tick less.
   */
  readonly commitTicks: number;
  /** Null where the arm that is measured is not the one that is commanded, as in a replay. */
  readonly tracking: TrackingOptions | null;
}

/** What a start begins from. */
export interface StartState {
  readonly measured: JointPositions | null;
  /** What the controller commands, radians; null where no controller tells. */
  readonly reference: readonly number[] | null;
  /** What forbids the start. */
  readonly faults: readonly Fault[];
  /** Something is in the gripper, which is not to be dropped. */
  readonly isHolding?: boolean;
}

/** What the arm is told at one tick. */
export interface Command {
  readonly stamp: Nanoseconds;
  /** Number of the tick on the timeline. */
  readonly tick: number;
  readonly timeline: Timeline;
  /** Where the curve is one tick later, radians and rad/s. */
  readonly positions: readonly number[];
  readonly velocities: readonly number[];
  /** Metres; null when the gripper is to stay as it is. */
  readonly gripperWidthM: number | null;
  /** Null while the arm holds or stops. */
  readonly step: QueuedStep | null;
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

/** After a longer silence of the timer the arm stands at the end of its way, and nothing goes on by itself. */
const LONGEST_GAP_S = 0.5;
const LEAST_GAP_TICKS = 4;
/** A controller that has not taken the resting curve in this time never will, seconds. */
const REFERENCE_WAIT_S = 2;
/** No way to rest takes as long; what is further ahead was before a clock jumped back, seconds. */
const LONGEST_TAIL_S = 3;
/** Rounding of times that are whole ticks. */
const EPSILON_TICKS = 1e-3;

/** The latch between plans and the robot: nothing moves before a start, and any fault ends in a stop that only a new start ends. */
export class Executor {
  readonly #options: ExecutorOptions;
  #phase: Phase = 'idle';
  #timeline: Timeline | null = null;
  /** When the arm is at rest that was stopped; null before the first stop. */
  #restsAt: Nanoseconds | null = null;
  /** The last tick that had its turn. */
  #tick = 0;
  #measured: JointPositions | null = null;
  /** Whether the controller commands the resting curve, which a motion waits for; null where no controller tells. */
  #isTaken: boolean | null = null;
  /** Where the chunk that is followed began. */
  #origin: (ChunkOrigin & { readonly chunk: QueuedStep['chunk'] }) | null = null;
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

  get isRunning(): boolean {
    return this.#phase === 'active' || this.#phase === 'stopping';
  }

  /** The last stop; null when there was none. */
  get lastStop(): Stop | null {
    return this.#stops.at(-1) ?? null;
  }

  /** Whether chunks are followed: the arm is started, the resting curve has been sent for long enough, and the controller has taken it. */
  get isFollowing(): boolean {
    return this.#phase === 'active' && this.#tick >= this.#options.commitTicks && this.#isTaken !== false;
  }

  /** What the arm is on; null while it stands and is sent nothing. */
  get timeline(): Timeline | null {
    return this.#timeline;
  }

  /**
   * Begins anew with a curve that rests where the controller commands, or where the arm is measured if no controller tells. Nothing of an earlier run is left.
   * A start that is refused changes nothing.
   * @throws InputError `executor.active`, `executor.braking`, `executor.fault`, `limiter.measured`, `limiter.outside`.
   */
  start(now: Nanoseconds, { measured, reference, faults, isHolding = false }: StartState): void {
    if (this.isRunning) {
      throw new InputError({
        code: 'executor.active',
        message: `the arm is ${this.#phase === 'active' ? 'active already' : 'coming to a stop'}`,
        remedy: 'stop it first, and wait until it stands',
      });
    }
    const leftS = this.#restsAt === null ? 0 : toSeconds(this.#restsAt - now);
    if (leftS > 0 && leftS < LONGEST_TAIL_S) {
      throw new InputError({
        code: 'executor.braking',
        message: `the arm still comes to rest, for ${leftS.toFixed(2)} s`,
        remedy: 'wait until it stands',
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
    const from = reference ?? measured.positions;
    checkStanding(this.#options.limits, from);
    this.#timeline = new Timeline(this.#options.limits, now, from);
    this.#options.queue.clear();
    this.#options.gripper.reset(isHolding);
    this.#tick = -1;
    this.#measured = measured;
    this.#origin = null;
    this.#isTaken = reference ? false : null;
    this.#phase = 'active';
  }

  /** Latched. The queue is emptied: no plan survives a stop. */
  stop(now: Nanoseconds, { code, message, remedy, reaction }: Fault): void {
    if (!this.isRunning) return;
    if (this.#phase === 'active') this.#stops.push({ at: now, code, message, remedy });
    this.#options.queue.clear();
    this.#phase = 'stopping';
    // The robot has the way to a stand already: it is a part of everything that it was sent.
    if (reaction === 'silent' || this.#timeline!.isRestingAt(now)) this.#end();
  }

  /** Where the arm is measured, which the published clamp is about. */
  sawMeasured(joints: JointPositions): void {
    this.#measured = joints;
  }

  /** Stops an arm that is not where the curve was when it was measured. */
  judgeMeasured(now: Nanoseconds, { stamp, positions }: JointPositions): void {
    const { tracking } = this.#options;
    if (!this.#timeline || !tracking || !isJudged(stamp, now)) return;
    const fault = judgeMeasured(this.#timeline, stamp, positions, tracking);
    if (fault) this.stop(now, fault);
  }

  /** Stops an arm whose controller is off the curve. @param reference what it commands, radians. */
  judgeReference(now: Nanoseconds, stamp: Nanoseconds, reference: readonly number[]): void {
    const { tracking, commitTicks } = this.#options;
    if (!this.#timeline || !tracking || !isJudged(stamp, now)) return;
    // What it commanded before the resting curve was sent is no answer to it.
    if (this.#isTaken === false && this.#timeline.tickAt(stamp) < commitTicks) return;
    const fault = judgeReference(this.#timeline, stamp, reference, tracking);
    if (fault) this.stop(now, fault);
    else this.#isTaken = true;
  }

  /**
   * The tick of a timer that is due about now, or of a chunk that comes between two ticks of the timer and is executed at the next.
   * @param faults what the watchdogs have to say. @returns what the robot is sent now; null for nothing.
   */
  tick(now: Nanoseconds, faults: readonly Fault[], isBetween = false): Command | null {
    for (const fault of faults) this.stop(now, fault);
    const timeline = this.#timeline;
    if (!timeline || !this.isRunning) return null;
    const at = timeline.tickAt(now);
    const tick = isBetween ? Math.ceil(at - EPSILON_TICKS) : Math.round(at);
    // Two ticks at once: the second one changes nothing.
    if (tick <= this.#tick) return null;
    const { tickS } = timeline.limits;
    const gap = tick - this.#tick;
    if (gap > Math.max(LEAST_GAP_TICKS, LONGEST_GAP_S / tickS)) {
      this.stop(now, starved(gap * tickS));
      return null;
    }
    const isFollowing = this.isFollowing;
    this.#tick = tick;
    // Ticks that were missed are made up for by the tail, which the robot has followed meanwhile.
    const { commitTicks } = this.#options;
    timeline.brakeTo(tick + commitTicks - 1);
    if (this.#isTaken === false && tick * tickS > REFERENCE_WAIT_S) this.stop(now, notTaken());
    const step = isFollowing && this.#phase === 'active' ? this.#tryToFollow(now, timeline) : null;
    if (!this.#timeline) return null;
    if (!step && this.#phase === 'active') this.#holds++;
    timeline.brakeTo(tick + commitTicks);
    this.#commands++;
    const { positions, velocities } = timeline.tick(tick + 1);
    const command = {
      stamp: timeline.stampOf(tick),
      tick,
      timeline,
      positions: Array.from(positions),
      velocities: Array.from(velocities),
      gripperWidthM: step && this.#options.gripper.update(step.action.at(-1)!),
      step,
    };
    if (this.#phase === 'stopping' && timeline.restsFrom <= tick) this.#end();
    return command;
  }

  figures(): ExecutorFigures {
    return { commands: this.#commands, holds: this.#holds, stops: this.#stops, limited: this.#limited };
  }

  #end(): void {
    const { restsFrom } = this.#timeline!;
    this.#restsAt = this.#timeline!.stampOf(restsFrom);
    this.#phase = 'stopped';
    this.#timeline = null;
  }

  /** What cannot be followed ends in a stop, which begins with this tick. */
  #tryToFollow(now: Nanoseconds, timeline: Timeline): QueuedStep | null {
    try {
      return this.#follow(timeline.stampOf(this.#tick), timeline);
    } catch (error) {
      const isOwn = error instanceof PlannerError;
      this.stop(now, {
        code: isOwn ? error.code : 'executor.unexpected',
        message: describeError(error),
        remedy: isOwn ? error.remedy : 'this is a fault of the software: please report it',
        reaction: 'brake',
      });
      return null;
    }
  }

  /** One more tick of the curve, towards the next step of the queue; null where there is none. @throws InputError for what cannot be followed. */
  #follow(at: Nanoseconds, timeline: Timeline): QueuedStep | null {
    const { limits, queue, commitTicks } = this.#options;
    const step = queue.next(at);
    if (!step) return null;
    checkSteps(step, limits.joints.length);
    if (this.#origin?.chunk !== step.chunk) {
      // The curve's end is where the plan is a few ticks later than this.
      const { progress, chunk } = step;
      const ahead = ((commitTicks - 2) * limits.tickS) / step.stepS;
      this.#origin = { chunk, progress: progress + ahead, positions: timeline.endState.positions };
    }
    const reference = new PlanReference(step, this.#origin, (commitTicks - 2) * limits.tickS);
    const { input, limitedBy } = steer(limits, timeline.endState, reference, this.#clampOf(timeline, step));
    timeline.append(input);
    limitedBy.forEach((reason, j) => {
      if (reason) this.#limited[j]![reason] = (this.#limited[j]![reason] ?? 0) + 1;
    });
    return step;
  }

  /** The published clamp is about where the arm is measured when a step is executed: where the curve will be then, and as far from it as the arm is now. */
  #clampOf(timeline: Timeline, { stepS }: QueuedStep): { readonly expected: number[]; readonly stepS: number } {
    if (!this.#measured) throw unknownJoints();
    const { stamp, positions: measured } = this.#measured;
    checkVector(this.#options.limits, 'measured', measured);
    const curve = timeline.at(stamp).positions;
    const { positions } = timeline.endState;
    return { expected: Array.from(positions, (q, j) => q + measured[j]! - curve[j]!), stepS };
  }
}

function starved(seconds: number): Fault {
  return {
    code: 'executor.gap',
    message: `${seconds.toFixed(2)} s have passed since the last command: the arm stands where its way ended`,
    remedy: 'look for what delayed the timer (a busy or suspended machine), then start again',
    reaction: 'silent',
  };
}

function notTaken(): Fault {
  return {
    code: 'executor.reference',
    message: `the controller does not command what it was sent within ${REFERENCE_WAIT_S} s`,
    remedy: 'check that it is active, hears the command topic, and refuses nothing (its log); then start again',
    reaction: 'silent',
  };
}

function unknownJoints(): InputError {
  return new InputError({
    code: 'executor.joints',
    message: 'where the joints of the arm are is not known',
    remedy: 'publish its joint states, then start again',
  });
}

/** @throws InputError `executor.action`. */
function checkSteps({ chunk, before }: QueuedStep, joints: number): void {
  for (const { steps, planner } of before ? [chunk, before.chunk] : [chunk]) {
    const index = steps.findIndex((row) => row.length !== joints + 1 || !row.every(Number.isFinite));
    if (index < 0) continue;
    const row = steps[index]!;
    const bad = row.findIndex((value) => !Number.isFinite(value));
    throw new InputError({
      code: 'executor.action',
      message:
        row.length !== joints + 1
          ? `step ${index} of a chunk of ${planner} has ${row.length} values, where the ${joints} joints and the gripper need ${joints + 1}`
          : `step ${index} of a chunk of ${planner} has ${row[bad]!} as its value ${bad + 1}`,
      remedy: 'the chunk is dropped; check the model with molmo-motion parity, then start again',
    });
  }
}
