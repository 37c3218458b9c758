import type { JointPositions } from '../core/joint-state.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';
import type { Fault } from './watchdogs.js';

/** What a start looks at, besides what is watched all the time. */
export interface StartView {
  readonly now: Nanoseconds;
  readonly joints: JointPositions | null;
  /** The robot's mode as it was last heard; null where nothing was. */
  readonly mode: string | null;
  readonly movingModes: readonly string[];
}

/** Joint states come at 15 Hz at least; what a start begins from is not older than two of them, seconds. */
const FRESH_S = 0.15;
/** An arm that is held by its controller trembles by less, rad/s. */
const STANDING_RAD_S = 0.03;

/** Why the arm may not be started now. @returns the first reason; null where there is none. */
export function startFault({ now, joints, mode, movingModes }: StartView): Fault | null {
  if (mode !== null && !movingModes.includes(mode)) {
    return fault(
      'mode',
      `the robot is in mode "${mode}" (it moves in: ${movingModes.join(', ')})`,
      'recover the robot and its controller',
    );
  }
  if (!joints) return null;
  const ageS = toSeconds(now - joints.stamp);
  if (ageS > FRESH_S)
    return fault('stale', `its joint states are ${ageS.toFixed(2)} s old`, 'publish them at 15 Hz or more');
  const moving = joints.velocities?.findIndex((v) => !(Math.abs(v) <= STANDING_RAD_S)) ?? -1;
  if (moving < 0) return null;
  return fault(
    'moving',
    `joint ${moving + 1} moves by ${joints.velocities![moving]!.toFixed(3)} rad/s`,
    'wait until the arm stands, or stop the program that moves it',
  );
}

function fault(code: string, message: string, remedy: string): Fault {
  return { code: `start.${code}`, message, remedy, reaction: 'silent' };
}
