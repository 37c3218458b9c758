import type { Arm } from '../../src/core/arm.js';
import { seededRandom } from '../../src/core/random.js';
import {
  brakeStep,
  isStanding,
  limitStep,
  prepareLimits,
  standingAt,
  type LimitedStep,
  type MotionState,
} from '../../src/execution/limiter.js';
import { clampToMeasured } from '../../src/execution/reference-command.js';

/** Random and adversarial command sequences, and a judge of what the limiter makes of them. */

const MARGIN_RAD = 0.01;
const TOLERANCE = 1e-6;

/** Held against the published limits alone, by differences of positions; nothing of the limiter is used. */
class Judge {
  readonly #arm: Arm;
  #q: readonly number[];
  #v: readonly number[];
  #a: readonly number[];

  constructor(arm: Arm, start: readonly number[]) {
    this.#arm = arm;
    this.#q = start;
    this.#v = start.map(() => 0);
    this.#a = start.map(() => 0);
  }

  /** What is broken by the next command. */
  see(q: readonly number[], dt: number): string[] {
    const v = q.map((value, j) => (value - this.#q[j]!) / dt);
    const a = v.map((value, j) => (value - this.#v[j]!) / dt);
    const broken = this.#arm.joints.flatMap((joint, j) => {
      const jerk = (a[j]! - this.#a[j]!) / dt;
      const [lowest, highest] = [joint.lower + MARGIN_RAD, joint.upper - MARGIN_RAD];
      const { upwards, downwards } = velocities(joint, q[j]!);
      return [
        q[j]! > highest + TOLERANCE || q[j]! < lowest - TOLERANCE ? `position ${q[j]!}` : '',
        v[j]! > upwards + TOLERANCE || v[j]! < -downwards - TOLERANCE
          ? `velocity ${v[j]!} of ${upwards}, ${downwards}`
          : '',
        Math.abs(a[j]!) > joint.acceleration * (1 + TOLERANCE) ? `acceleration ${a[j]!}` : '',
        Math.abs(jerk) > joint.jerk * (1 + TOLERANCE) ? `jerk ${jerk}` : '',
      ]
        .filter((text) => text !== '')
        .map((text) => `joint ${j + 1}: ${text}`);
    });
    [this.#q, this.#v, this.#a] = [q, v, a];
    return broken;
  }
}

function velocities(joint: Arm['joints'][number], q: number): { readonly upwards: number; readonly downwards: number } {
  const { envelope, velocity } = joint;
  if (!envelope) return { upwards: velocity, downwards: velocity };
  const allowed = (room: number): number =>
    Math.min(velocity, Math.max(0, -envelope.c + Math.sqrt(Math.max(0, envelope.k * room))));
  return { upwards: allowed(envelope.upper - q), downwards: allowed(q - envelope.lower) };
}

/** A stop by hand: each joint slows down by its acceleration, the parabola sampled. */
function canStop(arm: Arm, q: readonly number[], v: readonly number[]): boolean {
  return arm.joints.every((joint, j) => {
    const [speed, sign] = [Math.abs(v[j]!), Math.sign(v[j]!)];
    for (let part = 0; part <= 20; part++) {
      const u = (speed * part) / 20;
      const at = q[j]! + (sign * (speed * speed - u * u)) / (2 * joint.acceleration);
      const { upwards, downwards } = velocities(joint, at);
      if (at > joint.upper - MARGIN_RAD - TOLERANCE || at < joint.lower + MARGIN_RAD + TOLERANCE) return false;
      if (u > (sign > 0 ? upwards : downwards) - TOLERANCE && u > 0) return false;
    }
    return true;
  });
}

type Draw = (random: () => number, state: MotionState, tick: number) => readonly number[];

const inside = (arm: Arm, random: () => number): number[] =>
  arm.joints.map(({ lower, upper }) => lower + MARGIN_RAD + (upper - lower - 2 * MARGIN_RAD) * random());

/** Ways to ask for what an arm cannot do. */
const ADVERSARIES = (arm: Arm): Readonly<Record<string, Draw>> => {
  let goal: number[] = [];
  return {
    'jumps anywhere, far beyond the limits too': (random) => arm.joints.map(() => 20 * (random() - 0.5)),
    'reversals at full speed': (_, { positions }, tick) => positions.map((q) => q + (tick % 7 < 3 ? 5 : -5)),
    'each joint for itself to its limits': (random, { positions }, tick) =>
      positions.map((q, j) => (tick % (3 + j) === 0 ? q + (random() < 0.5 ? 1 : -1) : q)),
    'rushing at the limits': (_, __, tick) =>
      arm.joints.map(({ lower, upper }, j) => (((tick >> 6) + j) % 2 === 0 ? upper + 1 : lower - 1)),
    'small steps': (random, { positions }) => positions.map((q) => q + 0.02 * (random() - 0.5)),
    'a goal for a while': (random, _, tick) => (tick % 40 === 0 ? (goal = inside(arm, random)) : goal),
    'the same place': (_, { positions }) => positions,
  };
};

export interface SequenceOptions {
  readonly seed: number;
  /** In all, over as many sequences as it takes. */
  readonly commands: number;
  /** Commands of a sequence, at most. */
  readonly longest: number;
  readonly periodS: number;
}

export interface SequenceResult {
  /** Of the first sequence that broke something. */
  readonly broken: readonly string[];
  readonly sequences: number;
  /** Steps that kept their direction, and that could not. */
  readonly kept: number;
  readonly split: number;
}

/** Sequences of commands through the limiter, each from another start and ended by a stop. */
export function commandSequences(arm: Arm, { seed, commands, longest, periodS }: SequenceOptions): SequenceResult {
  const random = seededRandom(seed);
  const limits = prepareLimits(arm, { periodS, marginRad: MARGIN_RAD, maxDeltaRad: random() < 0.5 ? null : 0.2 });
  const adversaries = Object.entries(ADVERSARIES(arm));
  const broken: string[] = [];
  let [kept, split, done, sequences] = [0, 0, 0, 0];
  while (done < commands && broken.length === 0) {
    const [name, draw] = adversaries[Math.floor(random() * adversaries.length)]!;
    // A start at a limit in some joints.
    const start = inside(arm, random).map((q, j) => {
      const { lower, upper } = arm.joints[j]!;
      const where = random();
      return where < 0.1 ? lower + MARGIN_RAD : where > 0.9 ? upper - MARGIN_RAD : q;
    });
    const judge = new Judge(arm, start);
    let state: MotionState = standingAt(limits, start);
    const length = Math.ceil(longest * (0.25 + 0.75 * random()));
    sequences++;
    for (let tick = 0; tick < length; tick++, done++) {
      const dt = random() < 0.7 ? periodS : periodS * (0.25 + 3.75 * random() ** 2);
      const proposed = draw(random, state, tick);
      const measured = state.positions.map((q) => q + 0.05 * (random() - 0.5));
      const before = state;
      const speed = random() < 0.9 ? 1 : 0.05 + 0.95 * random();
      const step = limitStep(limits, state, measured, proposed, dt, speed);
      state = step;
      const faults = judge.see(step.positions, dt);
      if (faults.length > 0) broken.push(`${name}, seed ${seed}, tick ${tick}, dt ${dt}: ${faults.join('; ')}`);
      if (step.scale === null) split++;
      else kept++;
      const aim = limits.options.maxDeltaRad === null ? proposed : clampToMeasured(proposed, measured, 0.2);
      const astray = speed === 1 ? directionFault(arm, before, aim, step, dt, periodS) : null;
      if (astray) broken.push(`${name}, seed ${seed}, tick ${tick}: ${astray}`);
      if (broken.at(0) !== undefined) return { broken, sequences, kept, split };
    }
    // From wherever this ended: a stop.
    for (let tick = 0; !isStanding(state); tick++) {
      const dt = periodS * (0.25 + 3.75 * random());
      state = brakeStep(limits, state, dt);
      const faults = judge.see(state.positions, dt);
      if (faults.length > 0) broken.push(`${name}, seed ${seed}, stopping: ${faults.join('; ')}`);
      if (tick > 1000) broken.push(`${name}, seed ${seed}: it does not come to a stop`);
      if (broken.at(0) !== undefined) return { broken, sequences, kept, split };
    }
  }
  return { broken, sequences, kept, split };
}

/** Where one factor for all joints is possible, the step must lie on the way to the aim. */
function directionFault(
  arm: Arm,
  before: MotionState,
  aim: readonly number[],
  step: LimitedStep,
  dt: number,
  periodS: number,
): string | null {
  const way = aim.map((value, j) => value - before.positions[j]!);
  const made = step.positions.map((value, j) => value - before.positions[j]!);
  if (step.scale !== null) {
    const worst = way.reduce((most, w, j) => Math.max(most, Math.abs(made[j]! - step.scale! * w)), 0);
    return worst > 1e-9 ? `${worst} rad off the way` : null;
  }
  for (const s of [1, 0.75, 0.5, 0.25, 0.1, 0.02]) {
    const v = way.map((w) => (s * w) / dt);
    const isReachable = arm.joints.every(
      ({ acceleration, velocity, jerk }, j) =>
        // Accelerations whose change the jerk allows even in the shortest step: the limiter uses no others.
        Math.abs(v[j]! - before.velocities[j]!) <=
          Math.min(acceleration, (jerk * periodS) / 8) * dt * (1 - TOLERANCE) &&
        Math.abs(v[j]!) <= velocity * (1 - TOLERANCE),
    );
    const positions = before.positions.map((q, j) => q + s * way[j]!);
    if (isReachable && canStop(arm, positions, v))
      return `the direction is given up, though ${s} of the way is possible`;
  }
  return null;
}
