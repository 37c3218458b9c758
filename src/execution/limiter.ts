import type { Arm, JointLimits } from '../core/arm.js';
import { ConfigurationError, InputError } from '../core/errors.js';
import { clampToMeasured, MAX_DELTA_RAD, type DeltaRule } from './reference-command.js';

/**
 * Keeps a stream of position commands inside what an arm may do. A command q_k after q_{k-1}, dt seconds later, moves at v_k = (q_k - q_{k-1}) / dt,
 * with a_k = (v_k - v_{k-1}) / dt and jerk (a_k - a_{k-1}) / dt.
 *
 * Each joint is left an interval of velocities. Upwards (downwards is its mirror) v >= 0 must satisfy
 *
 *   v <= velocity,   |v - v_{k-1}| <= A dt,   q + v dt + v^2 / (2 A) <= upper,   q + v dt + v^2 / (2 A) - m(v) <= e
 *
 * The third is the braking distance: of any further steps at deceleration A, however long each is, the way is at most v^2 / (2 A), since
 * v_i dt <= (v_{i-1}^2 - v_i^2) / (2 A). The fourth is the same for the velocity envelope with its end e: the braking parabola stays under it where
 * u^2 / (2 A) - (u + c)^2 / k >= m(v) for all u from 0 to v. Braking fully satisfies all of them again, so the interval is never empty: the next
 * step always has a feasible stop. A is the joint's acceleration, or less where its jerk would not allow a change from -A to A in the shortest step.
 */

export interface LimiterOptions {
  /** Nominal time between two commands, seconds. Steps may be a quarter of it to four times as long. */
  readonly periodS: number;
  /** Furthest that a command may be from the measured position, radians; one value, or one for each joint; null switches it off. */
  readonly maxDeltaRad?: number | readonly number[] | null;
  readonly deltaRule?: DeltaRule;
  /** Distance that is kept from the position limits, radians. */
  readonly marginRad?: number;
}

/** A joint's limits, made ready for the steps. */
interface PreparedJoint {
  readonly lower: number;
  readonly upper: number;
  readonly velocity: number;
  /** Of the deceleration that every stop can count on. */
  readonly acceleration: number;
  readonly above: Envelope | null;
  readonly below: Envelope | null;
}

/** Upwards, in the joint's own or in the mirrored coordinate. */
interface Envelope {
  readonly c: number;
  readonly k: number;
  readonly end: number;
  /** Speed from which on braking, and not the envelope itself, decides: Infinity where the envelope is always the tighter. */
  readonly turn: number;
  /** m at that speed. */
  readonly least: number;
}

export interface Limits {
  readonly arm: string;
  readonly joints: readonly PreparedJoint[];
  readonly options: Required<LimiterOptions>;
  readonly minDtS: number;
  readonly maxDtS: number;
}

/** Where the commands are, and how fast they go: radians, rad/s. */
export interface MotionState {
  readonly positions: readonly number[];
  readonly velocities: readonly number[];
}

/** Why a joint does not do what was proposed. */
export type LimitReason = 'delta' | 'position' | 'velocity' | 'acceleration';

export interface LimitedStep extends MotionState {
  /** Part of the proposed step that was made; null where joints had to be limited one by one, and the direction was not kept. */
  readonly scale: number | null;
  /** For each joint, what limited it; null where nothing did. */
  readonly limitedBy: readonly (LimitReason | null)[];
}

const SHORTEST_STEP = 1 / 4;
const LONGEST_STEP = 4;
const DEFAULT_MARGIN_RAD = 0.01;
/** Share of each limit that rounding may not take: commands are judged by differences of positions. */
const ROUNDING = 1e-9;

/** @throws ConfigurationError `limiter.options`. */
export function prepareLimits(arm: Arm, options: LimiterOptions): Limits {
  const all: Required<LimiterOptions> = {
    periodS: options.periodS,
    maxDeltaRad: options.maxDeltaRad === undefined ? MAX_DELTA_RAD : options.maxDeltaRad,
    deltaRule: options.deltaRule ?? 'uniform',
    marginRad: options.marginRad ?? DEFAULT_MARGIN_RAD,
  };
  checkOptions(arm, all);
  const minDtS = all.periodS * SHORTEST_STEP;
  return {
    arm: arm.name,
    joints: arm.joints.map((joint) => prepareJoint(joint, all, minDtS)),
    options: all,
    minDtS,
    maxDtS: all.periodS * LONGEST_STEP,
  };
}

function prepareJoint(joint: JointLimits, { marginRad }: Required<LimiterOptions>, minDtS: number): PreparedJoint {
  const whole = 1 - ROUNDING;
  const acceleration = whole * Math.min(joint.acceleration, (joint.jerk * minDtS) / 2);
  const envelope = (end: number): Envelope | null => {
    if (!joint.envelope) return null;
    const { c, k } = joint.envelope;
    // u^2 / (2 A) - (u + c)^2 / k falls for ever where k <= 2 A, and otherwise to its least value at this u.
    const turn = k > 2 * acceleration ? (2 * acceleration * c) / (k - 2 * acceleration) : Number.POSITIVE_INFINITY;
    const least = Number.isFinite(turn)
      ? (turn * turn) / (2 * acceleration) - (turn + c) ** 2 / k
      : Number.NEGATIVE_INFINITY;
    return { c, k, end: end - ROUNDING, turn, least };
  };
  return {
    lower: joint.lower + marginRad,
    upper: joint.upper - marginRad,
    velocity: whole * joint.velocity,
    acceleration,
    above: envelope(joint.envelope?.upper ?? 0),
    below: envelope(-(joint.envelope?.lower ?? 0)),
  };
}

/** The state of an arm that stands still. @throws InputError `limiter.measured`, or `limiter.outside` beyond a position limit. */
export function standingAt(limits: Limits, measured: readonly number[]): MotionState {
  checkVector(limits, 'measured', measured);
  const outside = measured.findIndex((q, j) => {
    const { marginRad } = limits.options;
    const { lower, upper } = limits.joints[j]!;
    return q < lower - marginRad || q > upper + marginRad;
  });
  if (outside >= 0) {
    const { lower, upper } = limits.joints[outside]!;
    throw new InputError({
      code: 'limiter.outside',
      message: `joint ${outside + 1} stands at ${measured[outside]!.toFixed(4)} rad, outside the limits of the ${limits.arm} (${(lower - limits.options.marginRad).toFixed(4)} to ${(upper + limits.options.marginRad).toFixed(4)})`,
      remedy: 'move the arm inside by hand, and check that the right arm is configured',
    });
  }
  return { positions: [...measured], velocities: measured.map(() => 0) };
}

/**
 * The step nearest to a proposal that the arm may make, with the proposal's direction kept wherever one factor for all joints allows it.
 * @param previous last command. @param measured positions, radians. @param proposed positions, radians. @param dtS since the last command.
 * @param speedScale part of the arm's velocities that a step may be made at, above 0, at most 1: for a slow start.
 * @throws InputError `limiter.proposed`, `limiter.measured` for a wrong size or a value that is not finite, `limiter.dt`.
 */
export function limitStep(
  limits: Limits,
  previous: MotionState,
  measured: readonly number[],
  proposed: readonly number[],
  dtS: number,
  speedScale = 1,
): LimitedStep {
  checkVector(limits, 'measured', measured);
  checkVector(limits, 'proposed', proposed);
  checkDt(limits, dtS);
  const { maxDeltaRad, deltaRule } = limits.options;
  const target = maxDeltaRad === null ? proposed : clampToMeasured(proposed, measured, maxDeltaRad, deltaRule);
  return stepTowards(limits, previous, target, proposed, dtS, speedScale);
}

/** The fastest stop: every joint brakes as hard as it may. @throws InputError `limiter.dt`. */
export function brakeStep(limits: Limits, previous: MotionState, dtS: number): LimitedStep {
  checkDt(limits, dtS);
  return stepTowards(limits, previous, previous.positions, previous.positions, dtS, 1);
}

export function isStanding({ velocities }: MotionState): boolean {
  return velocities.every((v) => v === 0);
}

function stepTowards(
  { joints }: Limits,
  previous: MotionState,
  target: readonly number[],
  proposed: readonly number[],
  dt: number,
  speedScale: number,
): LimitedStep {
  const count = joints.length;
  const lowest = new Array<number>(count);
  const highest = new Array<number>(count);
  const wanted = new Array<number>(count);
  let from = 0;
  let to = 1;
  // Slower as a whole: what is wanted is scaled, and not what is possible, since a stop must stay possible when the scale falls.
  let slowing = 1;
  if (speedScale < 1) {
    for (let j = 0; j < count; j++) {
      const u = Math.abs(target[j]! - previous.positions[j]!) / dt;
      slowing = Math.min(slowing, (speedScale * joints[j]!.velocity) / Math.max(u, Number.MIN_VALUE));
    }
  }
  for (let j = 0; j < count; j++) {
    const joint = joints[j]!;
    const q = previous.positions[j]!;
    const v = previous.velocities[j]!;
    const change = joint.acceleration * dt;
    // Braking is always among what is left, also where an interval has shrunk to it.
    const brake = v > 0 ? Math.max(0, v - change) : Math.min(0, v + change);
    const high = Math.max(brake, Math.min(v + change, fastest(joint, q, joint.upper, joint.above, dt)));
    const low = Math.min(brake, Math.max(v - change, -fastest(joint, -q, -joint.lower, joint.below, dt)));
    const u = (slowing * (target[j]! - q)) / dt;
    lowest[j] = low;
    highest[j] = high;
    wanted[j] = u;
    // Factors s with low <= s u <= high.
    if (u > 0) {
      from = Math.max(from, low / u);
      to = Math.min(to, high / u);
    } else if (u < 0) {
      from = Math.max(from, high / u);
      to = Math.min(to, low / u);
    } else if (low > 0 || high < 0) to = Number.NEGATIVE_INFINITY;
  }
  const isKept = from <= to;
  const velocities = wanted.map((u, j) => (isKept ? to * u : Math.min(highest[j]!, Math.max(lowest[j]!, u))));
  return {
    positions: velocities.map((v, j) => previous.positions[j]! + v * dt),
    velocities,
    scale: isKept ? to : null,
    limitedBy: wanted.map((u, j): LimitReason | null => {
      // A joint that another one holds back is not limited itself.
      const bound = u > highest[j]! ? highest[j]! : u < lowest[j]! ? lowest[j]! : null;
      if (bound === null) return target[j] === proposed[j] ? null : 'delta';
      const joint = joints[j]!;
      if (Math.abs(bound) >= joint.velocity) return 'velocity';
      return Math.abs(bound - previous.velocities[j]!) >= joint.acceleration * dt * (1 - ROUNDING)
        ? 'acceleration'
        : 'position';
    }),
  };
}

/** Highest speed, not below 0, at which a step upwards can still be followed by a stop inside position limit and envelope. */
function fastest(
  { velocity, acceleration }: PreparedJoint,
  q: number,
  upper: number,
  envelope: Envelope | null,
  dt: number,
): number {
  let v = Math.min(velocity, stoppingSpeed(upper - q, acceleration, dt));
  if (envelope) {
    const { c, k, end, turn, least } = envelope;
    // (v + c)^2 + k v dt <= k (end - q)
    const half = c + (k * dt) / 2;
    const room = half * half - c * c + k * (end - q);
    const onEnvelope = room > 0 ? Math.sqrt(room) - half : 0;
    v = Math.min(v, onEnvelope <= turn ? onEnvelope : stoppingSpeed(end + least - q, acceleration, dt));
  }
  return Math.max(0, v);
}

/** The largest v with v dt + v^2 / (2 A) <= room; 0 where there is none. */
function stoppingSpeed(room: number, acceleration: number, dt: number): number {
  return room > 0 ? acceleration * (Math.sqrt(dt * dt + (2 * room) / acceleration) - dt) : 0;
}

function checkVector(limits: Limits, what: 'measured' | 'proposed', vector: readonly number[]): void {
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (vector.length === limits.joints.length && bad < 0) return;
  throw new InputError({
    code: `limiter.${what}`,
    message:
      bad >= 0
        ? `the ${what} position of joint ${bad + 1} is ${vector[bad]!}`
        : `${vector.length} ${what} positions were given for the ${limits.joints.length} joints of the ${limits.arm}`,
    remedy:
      what === 'measured'
        ? 'stop: the state of the robot is not known'
        : 'nothing is sent; check the policy and its bundle',
  });
}

function checkDt({ minDtS, maxDtS }: Limits, dtS: number): void {
  if (dtS >= minDtS && dtS <= maxDtS) return;
  throw new InputError({
    code: 'limiter.dt',
    message: `${dtS} s lie between two commands, which should be ${minDtS.toFixed(4)} to ${maxDtS.toFixed(4)} s apart`,
    remedy: 'begin again from the measured position; look for what delayed the timer',
  });
}

function checkOptions(arm: Arm, { periodS, maxDeltaRad, marginRad }: Required<LimiterOptions>): void {
  const deltas = maxDeltaRad === null ? [] : typeof maxDeltaRad === 'number' ? [maxDeltaRad] : maxDeltaRad;
  const narrow = arm.joints.findIndex(({ lower, upper }) => !(lower + marginRad < upper - marginRad));
  const fail = (message: string, remedy: string): never => {
    throw new ConfigurationError({ code: 'limiter.options', message, remedy });
  };
  if (!(periodS > 0) || !Number.isFinite(periodS))
    fail(`a command period of ${periodS} s is not usable`, 'give a number above 0, such as 1/15');
  if (!(marginRad >= 0) || narrow >= 0)
    fail(
      `a margin of ${marginRad} rad leaves ${narrow >= 0 ? `joint ${narrow + 1} ` : ''}no room`,
      'give a smaller one, 0 or above',
    );
  if (deltas.some((delta) => !(delta > 0)) || (deltas.length > 1 && deltas.length !== arm.joints.length))
    fail(
      `a largest step of ${deltas.join(', ')} rad is not usable for ${arm.joints.length} joints`,
      'give one number above 0, or one for each joint, or null',
    );
}
