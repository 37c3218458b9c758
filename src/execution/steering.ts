import { brakingAcceleration, isSafe, nearestSafe } from './braking.js';
import type { CurveTick } from './curve.js';
import type { JointBounds, Limits } from './limiter.js';
import { deltaExcess } from './reference-command.js';

/** Where a plan has the joints, over time. */
export interface Reference {
  /** Writes where the joints are to be at a time, radians and rad/s. @param seconds from the end of the curve so far. */
  at(seconds: number, positions: Float64Array, velocities: Float64Array): void;
}

/** A plan that has the joints rest somewhere. @param goal radians. */
export function restAt(goal: ArrayLike<number>): Reference {
  return {
    at: (_, positions, velocities) => {
      positions.set(goal);
      velocities.fill(0);
    },
  };
}

/** Why a joint does not do what was proposed. */
export type LimitReason = 'delta' | 'position' | 'velocity' | 'acceleration';

export interface Steered {
  /** Accelerations of the leading motion in the next tick, rad/s^2. */
  readonly input: Float64Array;
  /** Whether all joints keep one rhythm, and so the direction of what was proposed. */
  readonly isTogether: boolean;
  /** For each joint, what kept it from meeting the plan at once; null where nothing did. */
  readonly limitedBy: readonly (LimitReason | null)[];
}

/** What the published policies are clamped to: distances from where the arm is expected to be measured. */
export interface Clamp {
  /** Where the arm will be at the end of the curve so far, as it follows it now, radians. */
  readonly expected: readonly number[];
  /** Time of one step of the policy, seconds: each allows the largest distance anew. */
  readonly stepS: number;
}

/** Ticks in which a plan is met when nothing is in the way. Two is the least that meets position and speed. */
const SOONEST_TICKS = 2;
/** Beyond so many ticks, the next that is tried is later by this factor. */
const FINE_TICKS = 12;
const COARSE = 1.2;
/** What no arm resolves, radians. */
const NEAR_RAD = 1e-7;
/** Latest meeting that is tried, seconds. */
const LATEST_S = 6;

/**
 * Leads all joints towards a meeting with the plan: the same number of ticks from now for all of them, as soon as their velocities and accelerations
 * allow, at the plan's position and velocity of then. The accelerations on the way fall or rise evenly, which is the least that such a meeting takes.
 * Since all joints meet the plan at one time, they keep its direction. Only where no common time is safe is each joint led by itself.
 */
export function steer(limits: Limits, { leading }: CurveTick, reference: Reference, clamp: Clamp | null): Steered {
  const { joints, tickS, smoothingTicks } = limits;
  const count = joints.length;
  const target = { positions: new Float64Array(count), velocities: new Float64Array(count) };
  const input = new Float64Array(count);
  const limitedBy = new Array<LimitReason | null>(count).fill(null);
  const latest = LATEST_S / tickS;
  /** The first meeting that only limits near the position limits forbid. */
  let possible = 0;
  for (let ticks = SOONEST_TICKS; ; ticks = later(ticks)) {
    aim(limits, reference, clamp, ticks * tickS, (smoothingTicks * tickS) / 2, target, limitedBy);
    let worst: LimitReason | null = null;
    for (let j = 0; j < count && (worst === null || worst === 'position'); j++) {
      const joint = joints[j]!;
      const q = leading.positions[j]!;
      const v = leading.velocities[j]!;
      const why = meet(joint, q, v, target.positions[j]!, target.velocities[j]!, ticks, tickS);
      if (why !== null) limitedBy[j] = worst = why;
      else if (!isSafe(joint, q, v, meeting.first, tickS)) limitedBy[j] = worst = 'position';
      input[j] = meeting.first;
    }
    if (worst === null) {
      for (let j = 0; j < count; j++) {
        const v = leading.velocities[j]!;
        if (target.velocities[j] === 0 && stopsAt(target.positions[j]!, leading.positions[j]!, v, tickS))
          input[j] = brakingAcceleration(joints[j]!, v, tickS);
      }
      return { input, isTogether: true, limitedBy };
    }
    if (worst === 'position') possible ||= ticks;
    if (ticks > latest || (possible > 0 && ticks > 2 * possible)) break;
  }
  // The plan cannot be met by all at one time: each joint goes as near to it as it safely can.
  const ticks = possible || Math.ceil(latest);
  aim(limits, reference, clamp, ticks * tickS, (smoothingTicks * tickS) / 2, target, limitedBy);
  for (let j = 0; j < count; j++) {
    const joint = joints[j]!;
    const q = leading.positions[j]!;
    const v = leading.velocities[j]!;
    meet(joint, q, v, target.positions[j]!, target.velocities[j]!, ticks, tickS);
    const wanted = Math.max(-joint.acceleration, Math.min(joint.acceleration, meeting.first));
    input[j] = nearestSafe(joint, q, v, wanted, tickS);
    if (input[j] !== wanted) limitedBy[j] = 'position';
  }
  return { input, isTogether: false, limitedBy };
}

/** Whether a stop within one tick ends at this place: a motion that is as good as over would otherwise go on for ever, by less and less. */
function stopsAt(place: number, q: number, v: number, tickS: number): boolean {
  return Math.abs(q + (v * tickS) / 2 - place) < NEAR_RAD && Math.abs(v) * tickS < NEAR_RAD;
}

function later(ticks: number): number {
  return ticks < FINE_TICKS ? ticks + 1 : Math.ceil(ticks * COARSE);
}

/** The plan at a time, within what the published clamp, the position limits and the velocities allow. */
function aim(
  { joints, options }: Limits,
  reference: Reference,
  clamp: Clamp | null,
  seconds: number,
  delayS: number,
  { positions, velocities }: { readonly positions: Float64Array; readonly velocities: Float64Array },
  limitedBy: (LimitReason | null)[],
): void {
  // The curve is half the averaging behind the motion that leads it.
  reference.at(seconds + delayS, positions, velocities);
  if (clamp && options.maxDeltaRad !== null) {
    const { expected, stepS } = clamp;
    const steps = Math.max(1, (seconds + delayS) / stepS);
    const excess = new Float64Array(positions.length);
    deltaExcess(positions, expected, options, steps, excess);
    for (let j = 0; j < positions.length; j++) {
      if (excess[j]! <= 1) continue;
      positions[j] = expected[j]! + (positions[j]! - expected[j]!) / excess[j]!;
      velocities[j] = velocities[j]! / excess[j]!;
      limitedBy[j] ??= 'delta';
    }
  }
  let fast = 1;
  for (let j = 0; j < positions.length; j++) {
    const { lower, upper, velocity } = joints[j]!;
    fast = Math.max(fast, Math.abs(velocities[j]!) / velocity);
    if (positions[j]! >= lower && positions[j]! <= upper) continue;
    positions[j] = Math.max(lower, Math.min(upper, positions[j]!));
    velocities[j] = 0;
    limitedBy[j] ??= 'position';
  }
  if (fast > 1) for (let j = 0; j < velocities.length; j++) velocities[j] = velocities[j]! / fast;
}

/** Of the last meeting that was computed: its first acceleration. One place, since this runs for every joint and every time that is tried. */
const meeting = { first: 0 };

/**
 * Accelerations u_i = c + s (i - (n - 1) / 2), i = 0 to n - 1, that lead from (q, v) to (p, w) in n ticks:
 * w = v + n T c, and p = q + n T v + T^2 (c n^2 / 2 - s n (n^2 - 1) / 12).
 * @returns which limit that would break; null for none.
 */
function meet(
  { acceleration, velocity }: JointBounds,
  q: number,
  v: number,
  p: number,
  w: number,
  n: number,
  T: number,
): 'velocity' | 'acceleration' | null {
  const c = (w - v) / (n * T);
  const s = ((c * n * n) / 2 - (p - q - n * T * v) / (T * T)) / ((n * (n * n - 1)) / 12);
  const half = (s * (n - 1)) / 2;
  meeting.first = c - half;
  if (Math.abs(c - half) > acceleration || Math.abs(c + half) > acceleration) return 'acceleration';
  if ((c - half) * (c + half) < 0) {
    // The speed is greatest where the accelerations change their sign.
    const i = Math.ceil((half - c) / s);
    const peak = v + T * (i * (c - half) + (s * i * (i - 1)) / 2);
    if (Math.abs(peak) > velocity) return 'velocity';
  }
  return null;
}
