import { InputError } from '../core/errors.js';
import { advanceCurve, curveAtRest, isResting } from './curve.js';
import { checkStanding, checkVector, type Limits } from './limiter.js';
import { steer, type Reference } from './steering.js';

export interface TimedPath {
  /** Seconds from the start; commands at the limiter's period. */
  readonly timesS: readonly number[];
  /** What the arm is commanded, radians. */
  readonly positions: readonly (readonly number[])[];
  /** How many times as long as asked for it takes. */
  readonly dilation: number;
  /** Furthest that a command is from the path at its time, radians. */
  readonly trackingErrorRad: number;
}

/** Joints may lag behind the path by this much, radians. */
const TOLERANCE_RAD = 0.01;
const MOST_DILATION = 32;
const PRECISION = 1.02;
/** Of the whole time: how long the arm takes to get going, and to come to rest. */
const EASE = 0.15;
const SETTLING_TICKS = 60;

/**
 * Times a joint path so that commands at the limiter's rate follow it within all limits of the arm, no faster than asked for, from rest to rest. What
 * comes back has gone through the limiter.
 * @param path joint positions at equal distances of time, radians; the first is where the arm stands. @param stepS seconds between them, as wanted.
 * @throws InputError `plan.too-fast` where even a much slower motion does not keep to the path, `limiter.*`.
 */
export function timePath(limits: Limits, path: readonly (readonly number[])[], stepS: number): TimedPath {
  const attempt = (dilation: number): TimedPath => follow(limits, path, stepS, dilation);
  // Every point of the path gets a command: one that is skipped could be a corner.
  const least = Math.max(1, limits.options.periodS / stepS);
  let slow = least;
  let best = attempt(slow);
  while (best.trackingErrorRad > TOLERANCE_RAD) {
    slow *= 1.5;
    if (slow > MOST_DILATION) {
      throw new InputError({
        code: 'plan.too-fast',
        message: `even ${MOST_DILATION} times as slow as forecast, the ${limits.arm} is ${best.trackingErrorRad.toFixed(3)} rad off the path`,
        remedy: 'the path trembles or turns too sharply: smooth the forecast, or choose another grasp',
      });
    }
    best = attempt(slow);
  }
  if (slow === least) return best;
  let fast = Math.max(least, slow / 1.5);
  while (slow / fast > PRECISION) {
    const middle = Math.sqrt(slow * fast);
    const tried = attempt(middle);
    if (tried.trackingErrorRad > TOLERANCE_RAD) fast = middle;
    else {
      slow = middle;
      best = tried;
    }
  }
  return best;
}

function follow(limits: Limits, path: readonly (readonly number[])[], stepS: number, dilation: number): TimedPath {
  const { tickS } = limits;
  const wholeS = (path.length - 1) * stepS * dilation;
  const end = path.at(-1)!;
  const along = (seconds: number): number[] =>
    pointAt(path, eased(Math.max(0, Math.min(1, seconds / wholeS))) * (path.length - 1));
  checkStanding(limits, path[0]!);
  checkVector(limits, 'proposed', end);
  let state = curveAtRest(limits, path[0]!);
  const timesS = [0];
  const positions: (readonly number[])[] = [path[0]!];
  let trackingErrorRad = 0;
  for (let tick = 1; ; tick++) {
    const begunS = (tick - 1) * tickS;
    const reference: Reference = {
      at: (seconds, goal, speed) => {
        goal.set(along(begunS + seconds));
        const [before, after] = [along(begunS + seconds - tickS / 2), along(begunS + seconds + tickS / 2)];
        for (let j = 0; j < goal.length; j++) speed[j] = (after[j]! - before[j]!) / tickS;
      },
    };
    state = advanceCurve(limits, state, steer(limits, state, reference, null).input);
    const goal = along(tick * tickS);
    const error = goal.reduce((most, q, j) => Math.max(most, Math.abs(q - state.positions[j]!)), 0);
    // Behind the end the arm may still arrive.
    if (tick * tickS < wholeS) trackingErrorRad = Math.max(trackingErrorRad, error);
    timesS.push(tick * tickS);
    positions.push(Array.from(state.positions));
    if (tick * tickS >= wholeS && error < 1e-6 && isResting(state)) break;
    if (tick * tickS > wholeS + SETTLING_TICKS * tickS) {
      trackingErrorRad = Math.max(
        trackingErrorRad,
        end.reduce((most, q, j) => Math.max(most, Math.abs(q - state.positions[j]!)), 0),
      );
      break;
    }
  }
  return { timesS, positions, dilation, trackingErrorRad };
}

/** 0 to 1 with a soft start and end: speed grows to its full height, stays, and falls again. */
function eased(share: number): number {
  const top = 1 / (1 - EASE);
  if (share < EASE) return (top * share * share) / (2 * EASE);
  if (share > 1 - EASE) return 1 - (top * (1 - share) ** 2) / (2 * EASE);
  return top * (share - EASE / 2);
}

function pointAt(path: readonly (readonly number[])[], at: number): number[] {
  const k = Math.min(Math.floor(at), path.length - 2);
  const fraction = at - k;
  return path[k]!.map((q, j) => q + fraction * (path[k + 1]![j]! - q));
}
