import type { Arm, JointLimits } from '../core/arm.js';
import { ConfigurationError, InputError } from '../core/errors.js';
import { MAX_DELTA_RAD, type DeltaRule } from './reference-command.js';

export interface LimiterOptions {
  /** Time between two commands, seconds. */
  readonly periodS: number;
  /** Furthest that a policy may send a joint from where it is measured, radians; one value, or one for each joint; null switches it off. */
  readonly maxDeltaRad?: number | readonly number[] | null;
  readonly deltaRule?: DeltaRule;
  /** Distance that is kept from the position limits, radians. */
  readonly marginRad?: number;
  /**
   * Part of the arm's velocities that may be used, above 0, at most 1: for first runs. The accelerations stay whole, because a stop needs them.
   */
  readonly speed?: number;
}

/** What one joint may do: its limits, less the margin and what rounding may take. Radians and seconds. */
export interface JointBounds {
  readonly lower: number;
  readonly upper: number;
  readonly velocity: number;
  readonly acceleration: number;
  /** Of the velocity near the upper position limit: (v + c)^2 <= k (end - q). */
  readonly above: EnvelopeBound | null;
  /** The same near the lower one, in mirrored coordinates. */
  readonly below: EnvelopeBound | null;
}

export interface EnvelopeBound {
  readonly c: number;
  readonly k: number;
  readonly end: number;
}

/** The limits of an arm at one rate of commands. */
export interface Limits {
  readonly arm: string;
  readonly joints: readonly JointBounds[];
  readonly options: Required<LimiterOptions>;
  /** The period as whole nanoseconds: every tick is then an exact stamp. */
  readonly periodNs: bigint;
  /** The same in seconds. */
  readonly tickS: number;
  /**
   * Ticks over which accelerations are averaged, n. It spreads a change from full braking to full acceleration over so much time that the jerk allows it:
   * 2 A <= J n T.
   */
  readonly smoothingTicks: number;
}

const DEFAULT_MARGIN_RAD = 0.01;
/** Share of each limit that is left to rounding. */
const ROUNDING = 1e-9;
/** A smoothing over more ticks than this would lag behind every plan. */
const MOST_SMOOTHING_TICKS = 100;

/** @throws ConfigurationError `limiter.options`. */
export function prepareLimits(arm: Arm, options: LimiterOptions): Limits {
  const all: Required<LimiterOptions> = {
    periodS: options.periodS,
    maxDeltaRad: options.maxDeltaRad === undefined ? MAX_DELTA_RAD : options.maxDeltaRad,
    deltaRule: options.deltaRule ?? 'uniform',
    marginRad: options.marginRad ?? DEFAULT_MARGIN_RAD,
    speed: options.speed ?? 1,
  };
  checkOptions(arm, all);
  const periodNs = BigInt(Math.round(all.periodS * 1e9));
  const tickS = Number(periodNs) / 1e9;
  const smoothing = arm.joints.map(({ acceleration, jerk }) => (2 * acceleration) / (jerk * tickS));
  const smoothingTicks = Math.max(1, Math.ceil(Math.max(...smoothing) - ROUNDING));
  if (smoothingTicks > MOST_SMOOTHING_TICKS) {
    throw new ConfigurationError({
      code: 'limiter.options',
      message: `at ${(1 / tickS).toFixed(0)} Hz the jerk limits of the ${arm.name} ask for a smoothing over ${smoothingTicks} ticks`,
      remedy: 'lower the rate, or check the jerk limits in the description of the arm',
    });
  }
  return {
    arm: arm.name,
    joints: arm.joints.map((joint) => prepareJoint(joint, all)),
    options: all,
    periodNs,
    tickS,
    smoothingTicks,
  };
}

function prepareJoint(joint: JointLimits, { marginRad, speed }: Required<LimiterOptions>): JointBounds {
  const whole = 1 - ROUNDING;
  const envelope = (end: number): EnvelopeBound | null =>
    joint.envelope ? { c: joint.envelope.c, k: joint.envelope.k, end: end - ROUNDING } : null;
  return {
    lower: joint.lower + marginRad,
    upper: joint.upper - marginRad,
    velocity: whole * speed * joint.velocity,
    acceleration: whole * joint.acceleration,
    above: envelope(joint.envelope?.upper ?? 0),
    below: envelope(-(joint.envelope?.lower ?? 0)),
  };
}

/** @throws InputError `limiter.measured` for a wrong size or a value that is not finite, `limiter.outside` beyond a position limit. */
export function checkStanding(limits: Limits, measured: readonly number[]): void {
  checkVector(limits, 'measured', measured);
  const { marginRad } = limits.options;
  const outside = measured.findIndex((q, j) => {
    const { lower, upper } = limits.joints[j]!;
    return q < lower - marginRad || q > upper + marginRad;
  });
  if (outside < 0) return;
  const { lower, upper } = limits.joints[outside]!;
  throw new InputError({
    code: 'limiter.outside',
    message: `joint ${outside + 1} stands at ${measured[outside]!.toFixed(4)} rad, outside the limits of the ${limits.arm} (${(lower - marginRad).toFixed(4)} to ${(upper + marginRad).toFixed(4)})`,
    remedy: 'move the arm inside by hand, and check that the right arm is configured',
  });
}

/** @throws InputError `limiter.measured` or `limiter.proposed` for a wrong size or a value that is not finite. */
export function checkVector(limits: Limits, what: 'measured' | 'proposed', vector: ArrayLike<number>): void {
  const bad = Array.from(vector).findIndex((value) => !Number.isFinite(value));
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

function checkOptions(arm: Arm, { periodS, maxDeltaRad, marginRad, speed }: Required<LimiterOptions>): void {
  const deltas = maxDeltaRad === null ? [] : typeof maxDeltaRad === 'number' ? [maxDeltaRad] : maxDeltaRad;
  const narrow = arm.joints.findIndex(({ lower, upper }) => !(lower + marginRad < upper - marginRad));
  const fail = (message: string, remedy: string): never => {
    throw new ConfigurationError({ code: 'limiter.options', message, remedy });
  };
  if (!(periodS > 0) || !Number.isFinite(periodS))
    fail(`a command period of ${periodS} s is not usable`, 'give a number above 0, such as 1/15');
  if (!(speed > 0 && speed <= 1)) fail(`a speed of ${speed} is not usable`, 'give a number above 0, at most 1');
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
