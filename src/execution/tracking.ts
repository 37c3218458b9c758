import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import type { Timeline } from './timeline.js';
import type { Fault } from './watchdogs.js';

export interface TrackingOptions {
  /** The measured joints may be where the curve was up to this time ago, seconds: a controller lags. */
  readonly lagS: number;
  /** They may be this far beside it, radians. */
  readonly measuredRad: number;
  /** What a controller says that it commands may be this far off the curve, radians. */
  readonly referenceRad: number;
}

/** With these a blocked joint whose plan moves at 0.3 rad/s is noticed within 0.3 s by joint states at 30 Hz: 0.1 s + 0.05 rad / 0.3 rad/s + 0.033 s. */
export const DEFAULT_TRACKING: TrackingOptions = { lagS: 0.1, measuredRad: 0.05, referenceRad: 0.001 };

/** The stamp of a controller's state may be a control cycle away from what it tells of; slow controllers run at 100 Hz. */
const CYCLE_S = 0.012;
/** A span of time is looked at in so many places of the curve. */
const LOOKS = 8;
/** The curve of the last second is known. */
const KNOWN_S = 1;

/** Whether the arm is where the curve is, or was a moment ago, at the time that it was measured. @returns the fault; null where it follows. */
export function judgeMeasured(
  timeline: Timeline,
  stamp: Nanoseconds,
  measured: readonly number[],
  { lagS, measuredRad }: TrackingOptions,
): Fault | null {
  const away = outside(timeline, stamp, [-lagS, 0], measured, measuredRad);
  if (!away) return null;
  return {
    code: 'executor.tracking',
    message: `joint ${away.joint + 1} was sent to ${away.curve.toFixed(4)} rad and stands at ${measured[away.joint]!.toFixed(4)} rad: the robot does not follow`,
    remedy: 'look whether something holds the arm, or another program moves it; then start again',
    reaction: 'silent',
  };
}

/** Whether a controller commands the curve. It does not where messages were lost, refused or superseded, or where its time is scaled. */
export function judgeReference(
  timeline: Timeline,
  stamp: Nanoseconds,
  reference: readonly number[],
  { referenceRad }: TrackingOptions,
): Fault | null {
  const away = outside(timeline, stamp, [-CYCLE_S, CYCLE_S], reference, referenceRad);
  if (!away) return null;
  return {
    code: 'executor.reference',
    message: `the controller commands joint ${away.joint + 1} to ${reference[away.joint]!.toFixed(4)} rad, where it was sent to ${away.curve.toFixed(4)} rad: it is off the curve`,
    remedy:
      'look for lost or refused messages, another sender, a scaled speed or clocks that differ (docs/execution.md); then start again',
    reaction: 'silent',
  };
}

/** Whether the curve knows the time of a stamp. */
export function isJudged(stamp: Nanoseconds, now: Nanoseconds): boolean {
  const ageS = toSeconds(now - stamp);
  return ageS > -CYCLE_S && ageS < KNOWN_S;
}

function outside(
  timeline: Timeline,
  stamp: Nanoseconds,
  [fromS, toS]: readonly [number, number],
  positions: readonly number[],
  tolerance: number,
): { readonly joint: number; readonly curve: number } | null {
  const looks = Array.from(
    { length: LOOKS + 1 },
    (_, i) => timeline.at(stamp + fromSeconds(fromS + ((toS - fromS) * i) / LOOKS)).positions,
  );
  for (const [j, q] of positions.entries()) {
    const span = looks.map((look) => look[j]!);
    const [least, most] = [Math.min(...span), Math.max(...span)];
    if (q >= least - tolerance && q <= most + tolerance) continue;
    return { joint: j, curve: Math.abs(q - least) < Math.abs(q - most) ? least : most };
  }
  return null;
}
