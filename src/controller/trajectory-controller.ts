import type { JointTrajectory } from '../bus/messages.js';
import type { Nanoseconds } from '../core/time.js';
import { blended } from './blending.js';
import type { ControllerSettings } from './controller-settings.js';
import { refusalOf } from './refusal.js';
import { motionOf, type JointMotion } from './spline.js';
import { Trajectory } from './trajectory.js';

/** What a controller reads from the arm; radians, rad/s. */
export interface MeasuredJoints {
  readonly positions: ArrayLike<number>;
  readonly velocities: ArrayLike<number>;
}

export interface Refusal {
  /** Of the controller's clock. */
  readonly at: Nanoseconds;
  readonly why: string;
}

/**
 * A joint_trajectory_controller of ros2_control with a position interface, cycle by cycle: trajectories in, one command for every cycle out. It is
 * written from what the sources do (ros2_controllers, joint_trajectory_controller.cpp) and knows nothing of who sends the trajectories.
 */
export class TrajectoryController {
  /** Messages that it did not take. The real one says so in its log and nowhere else. */
  readonly refusals: Refusal[] = [];
  /** Why it has held the measured position: each time steps the command. */
  readonly holds: string[] = [];
  readonly #settings: ControllerSettings;
  readonly #joints: readonly string[];
  readonly #epoch: Nanoseconds;
  readonly #reference: JointMotion;
  readonly #command: JointMotion;
  #commandedNs: number | null = null;
  /** Taken at the next cycle, the newest one alone. */
  #next: Trajectory | null = null;
  #current: Trajectory;
  #isHolding = true;
  /** How far the current trajectory has been played; with speed scaling this is not the clock's time. */
  #playedNs = 0;

  /** @param start where the arm is measured when the controller is activated, which it then holds. @param epoch an instant near now. */
  constructor(settings: ControllerSettings, joints: readonly string[], start: ArrayLike<number>, epoch: Nanoseconds) {
    this.#settings = settings;
    this.#joints = joints;
    this.#epoch = epoch;
    this.#reference = standing(start);
    this.#command = standing(start);
    this.#current = holdingAt(start);
  }

  /** Joint names in the order of everything that is sampled. */
  get joints(): readonly string[] {
    return this.#joints;
  }

  /** `controller_state.reference`: the state of the trajectory at the start of the last cycle. */
  get reference(): JointMotion {
    return this.#reference;
  }

  /** `controller_state.output`, with the velocities and accelerations that belong to it. */
  get command(): JointMotion {
    return this.#command;
  }

  /** A message arrives between two cycles. @param now of the controller's clock. @returns whether it was taken. */
  receive(message: JointTrajectory, now: Nanoseconds): boolean {
    const why = refusalOf(message, now, { joints: this.#joints, allowsMovingEnd: this.#settings.allowsMovingEnd });
    if (why !== null) {
      this.refusals.push({ at: now, why });
      return false;
    }
    this.#next = Trajectory.of(message, this.#joints, this.#epoch);
    this.#isHolding = false;
    return true;
  }

  /** One control cycle. @param now of the controller's clock. @returns the commanded positions, radians, which the next cycle changes. */
  update(now: Nanoseconds, measured: MeasuredJoints): Float64Array {
    const nowNs = Number(now - this.#epoch);
    const { distribution, cycleNs, speedScaling } = this.#settings;
    if (this.#next) this.#take(this.#next, nowNs);
    this.#next = null;
    if (this.#current.isBegun) this.#playedNs += cycleNs * (distribution === 'humble' ? 1 : speedScaling);
    else {
      this.#current.beginFrom(this.#stateBefore(nowNs, measured), nowNs);
      this.#playedNs = nowNs;
    }
    this.#current.sample(this.#playedNs, this.#reference);
    if (this.#obeys(measured)) {
      if (distribution === 'humble') copyMotion(this.#reference, this.#command);
      // One cycle ahead, and not where the trajectory has no state yet.
      else this.#current.sample(this.#playedNs + cycleNs, this.#command);
      this.#commandedNs = nowNs;
    }
    return this.#command.positions;
  }

  #take(next: Trajectory, nowNs: number): void {
    const { blendsTrajectories, speedScaling } = this.#settings;
    const blends = blendsTrajectories && !this.#isHolding && this.#current.isBegun && this.#current.points.length > 1;
    this.#current = blends ? blended(this.#current, next, this.#playedNs, nowNs, speedScaling) : next;
  }

  #stateBefore(nowNs: number, { positions, velocities }: MeasuredJoints): Parameters<Trajectory['beginFrom']>[0] {
    const { interpolatesFrom, distribution } = this.#settings;
    if (interpolatesFrom === 'measured') {
      return {
        atNs: nowNs,
        positions: Float64Array.from(positions),
        velocities: Float64Array.from(velocities),
        accelerations: null,
      };
    }
    return {
      // All but humble date the last command to the cycle before, although it was meant for now: the first step from it is doubled.
      atNs: distribution === 'humble' ? nowNs : (this.#commandedNs ?? nowNs),
      positions: this.#command.positions.slice(),
      velocities: this.#command.velocities.slice(),
      accelerations: this.#command.accelerations.slice(),
    };
  }

  /** Whether tolerances and timeouts let the trajectory go on; otherwise the measured position is held from the next cycle on. */
  #obeys({ positions }: MeasuredJoints): boolean {
    const { pathToleranceRad, goalToleranceRad, goalTimeS, commandTimeoutS } = this.#settings;
    if (this.#isHolding) return true;
    const overS = (this.#playedNs - this.#current.endNs) / 1e9;
    const hold = (why: string): void => {
      this.holds.push(why);
      this.#next = holdingAt(positions);
      this.#isHolding = true;
    };
    if (commandTimeoutS > 0 && overS > commandTimeoutS) hold(`no trajectory for ${commandTimeoutS} s`);
    const isOff = (rad: number): boolean =>
      rad > 0 && this.#reference.positions.some((q, j) => Math.abs(q - positions[j]!) > rad);
    if (overS < 0 && isOff(pathToleranceRad)) {
      hold(`a joint was more than ${pathToleranceRad} rad off the path`);
      return false;
    }
    if (goalTimeS > 0 && overS > goalTimeS && isOff(goalToleranceRad)) {
      hold(`a joint was more than ${goalToleranceRad} rad off the goal after ${goalTimeS} s`);
      return false;
    }
    return true;
  }
}

function standing(positions: ArrayLike<number>): JointMotion {
  const motion = motionOf(positions.length);
  motion.positions.set(Array.from(positions));
  return motion;
}

/** A trajectory of one point, without a stamp. */
function holdingAt(positions: ArrayLike<number>): Trajectory {
  return new Trajectory(
    [{ atNs: 0, positions: Float64Array.from(positions), velocities: null, accelerations: null }],
    null,
  );
}

function copyMotion(from: JointMotion, to: JointMotion): void {
  to.positions.set(from.positions);
  to.velocities.set(from.velocities);
  to.accelerations.set(from.accelerations);
}
