import type { EnvelopeBound, JointBounds } from './limiter.js';

/*
 * One joint under accelerations that are constant within a tick. It is safe while it can still be stopped: braking as hard as it may in whole ticks, with
 * what is left of the speed taken away in a last tick, keeps it inside position limit and velocity envelope. Braking leads from a safe state to safe
 * states, so a joint that was ever safe stays so.
 *
 * Formulas are for a motion upwards; downwards is the mirror. They follow from v dv = a dq.
 */

/** The acceleration of one tick of the hardest braking, rad/s^2: what takes the speed away, or as much of it as the joint can. */
export function brakingAcceleration({ acceleration }: JointBounds, velocity: number, tickS: number): number {
  return Math.max(-acceleration, Math.min(acceleration, -velocity / tickS));
}

/**
 * Whether a tick at this acceleration keeps all limits, and can still be followed by a stop that does.
 * @param q at the tick's start, radians. @param v at its start, rad/s.
 */
export function isSafe(joint: JointBounds, q: number, v: number, acceleration: number, tickS: number): boolean {
  if (Math.abs(acceleration) > joint.acceleration) return false;
  const v1 = v + acceleration * tickS;
  if (Math.abs(v1) > joint.velocity) return false;
  const q1 = q + tickS * (v + (acceleration * tickS) / 2);
  return (
    isSafeUpwards(joint.upper, joint.above, joint.acceleration, q, v, q1, v1, acceleration, tickS) &&
    isSafeUpwards(-joint.lower, joint.below, joint.acceleration, -q, -v, -q1, -v1, -acceleration, tickS)
  );
}

/**
 * The safe acceleration nearest to the wanted one. @returns the wanted one where it is safe, and never less than braking.
 */
export function nearestSafe(joint: JointBounds, q: number, v: number, wanted: number, tickS: number): number {
  if (isSafe(joint, q, v, wanted, tickS)) return wanted;
  let good = brakingAcceleration(joint, v, tickS);
  let bad = wanted;
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (good + bad) / 2;
    if (isSafe(joint, q, v, middle, tickS)) good = middle;
    else bad = middle;
  }
  return good;
}

const HALVINGS = 20;

function isSafeUpwards(
  upper: number,
  envelope: EnvelopeBound | null,
  braking: number,
  q: number,
  v: number,
  q1: number,
  v1: number,
  acceleration: number,
  tickS: number,
): boolean {
  if (v <= 0 && v1 <= 0) return true;
  if (v1 <= 0) {
    // It turns within the tick.
    const turn = q + (v * v) / (-2 * acceleration);
    return turn <= upper && (!envelope || isUnder(envelope, turn, -acceleration, 0, v));
  }
  // The stop after the tick: full ticks down to the speed `rest`, and one more.
  const change = braking * tickS;
  const ticks = Math.ceil(v1 / change);
  const rest = v1 - (ticks - 1) * change;
  const slowed = q1 + (v1 * v1 - rest * rest) / (2 * braking);
  const stop = slowed + (rest * tickS) / 2;
  if (stop > upper) return false;
  if (!envelope) return true;
  // Within the tick a motion that speeds up is nearest to the envelope at its end, which is where the stop begins.
  if (acceleration < 0 && v > 0 && !isUnder(envelope, q1 + (v1 * v1) / (-2 * acceleration), -acceleration, v1, v)) {
    return false;
  }
  return (
    isUnder(envelope, q1 + (v1 * v1) / (2 * braking), braking, rest, v1) &&
    isUnder(envelope, stop, rest / tickS, 0, rest)
  );
}

/**
 * Whether a joint that slows down evenly, and would stand at `end`, is under the envelope while its speed falls from `to` to `from`: there
 * k (e - end) + k u^2 / (2 A) - (u + c)^2 must not be negative.
 */
function isUnder(
  { c, k, end: e }: EnvelopeBound,
  end: number,
  deceleration: number,
  from: number,
  to: number,
): boolean {
  const square = k / (2 * deceleration);
  const room = k * (e - end);
  const spare = (u: number): number => room + square * u * u - (u + c) * (u + c);
  if (spare(from) < 0 || spare(to) < 0) return false;
  if (square <= 1) return true;
  const least = c / (square - 1);
  return least <= from || least >= to || spare(least) >= 0;
}
