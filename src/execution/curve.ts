import { brakingAcceleration } from './braking.js';
import type { Limits } from './limiter.js';

/*
 * The curve that the arm follows has one jerk for each joint and tick, so that its states at the ticks say all of it. It is the moving average, over
 * `smoothingTicks` ticks, of a leading motion whose accelerations are constant within each tick. An average of positions, velocities and accelerations
 * that are inside convex limits is inside them too (position, velocity and acceleration ranges, and the velocity envelope, are convex), and its jerk is
 * the difference of two accelerations over the time of the averaging. So it is the leading motion alone that is kept inside the limits, at all times
 * and not only at ticks, and the curve follows half an averaging time behind it.
 */

/** State of the curve at one tick, a value for each joint: radians and seconds. */
export interface CurveTick {
  readonly positions: Float64Array;
  readonly velocities: Float64Array;
  readonly accelerations: Float64Array;
  readonly leading: { readonly positions: Float64Array; readonly velocities: Float64Array };
  /** Accelerations of the leading motion in the last `smoothingTicks` ticks, oldest first. */
  readonly inputs: readonly Float64Array[];
}

/** A curve at rest. @param positions radians. */
export function curveAtRest({ smoothingTicks }: Limits, positions: ArrayLike<number>): CurveTick {
  const at = Float64Array.from(positions);
  const zero = new Float64Array(at.length);
  return {
    positions: at,
    velocities: zero,
    accelerations: zero,
    leading: { positions: at, velocities: zero },
    inputs: Array.from({ length: smoothingTicks }, () => zero),
  };
}

/** The next tick. @param input acceleration of the leading motion for each joint, rad/s^2. */
export function advanceCurve({ tickS: T, smoothingTicks }: Limits, tick: CurveTick, input: Float64Array): CurveTick {
  const count = input.length;
  const positions = new Float64Array(count);
  const velocities = new Float64Array(count);
  const accelerations = new Float64Array(count);
  const leading = { positions: new Float64Array(count), velocities: new Float64Array(count) };
  const [oldest] = tick.inputs as [Float64Array];
  for (let j = 0; j < count; j++) {
    const u = input[j]!;
    const v = tick.leading.velocities[j]!;
    const ends = v + u * T;
    leading.positions[j] = tick.leading.positions[j]! + T * (v + (u * T) / 2);
    // A stop is one: what rounding leaves of it would go on for ever.
    leading.velocities[j] = Math.abs(ends) <= STILL * Math.abs(v) ? 0 : ends;
    const change = (u - oldest[j]!) / smoothingTicks;
    const a = tick.accelerations[j]!;
    positions[j] = tick.positions[j]! + T * (tick.velocities[j]! + T * (a / 2 + change / 6));
    velocities[j] = tick.velocities[j]! + T * (a + change / 2);
    accelerations[j] = a + change;
  }
  const inputs = [...tick.inputs.slice(1), input];
  for (let j = 0; j < count; j++) {
    if (leading.velocities[j] !== 0 || inputs.some((one) => one[j] !== 0)) continue;
    positions[j] = leading.positions[j]!;
    velocities[j] = 0;
    accelerations[j] = 0;
  }
  return { positions, velocities, accelerations, leading, inputs };
}

const STILL = 1e-12;

/** What brakes hardest, rad/s^2. */
export function brakingInput({ joints, tickS }: Limits, { leading }: CurveTick): Float64Array {
  return Float64Array.from(joints, (joint, j) => brakingAcceleration(joint, leading.velocities[j]!, tickS));
}

export function isResting({ velocities, accelerations, leading }: CurveTick): boolean {
  for (let j = 0; j < velocities.length; j++) {
    if (velocities[j] !== 0 || accelerations[j] !== 0 || leading.velocities[j] !== 0) return false;
  }
  return true;
}
