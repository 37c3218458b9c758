import { ConfigurationError } from '../core/errors.js';

/** Faults that a replay can be made to survive, by name, and what they are. */
export const FAULTS = {
  'camera-stall': 'no picture comes any more',
  'camera-constant': 'the cameras repeat their last picture',
  'camera-uncalibrated': 'CameraInfo has K[0] = 0',
  'camera-resized': 'CameraInfo is of another resolution',
  'depth-empty': 'depth pictures are all zero',
  'joints-stall': 'no joint state comes any more',
  'joints-nan': 'a joint is reported as NaN',
  'joints-missing': 'a joint is left out',
  'joints-shuffled': 'joints come in another order (harmless)',
  'tf-stall': 'no transform comes any more',
  'stamps-old': 'stamps are ten seconds behind the clock',
  'clock-back': 'the clock jumps back by a second',
  'clock-forward': 'the clock jumps ahead by a minute',
  burst: 'every message comes ten times (harmless)',
  'instruction-change': 'another task is asked for in the middle of a chunk',
  'instruction-empty': 'the task becomes empty',
  'instruction-special-token': 'the task holds text that the model reads as a special token',
  'robot-reflex': 'the robot reports a reflex',
  'controller-off': 'the controller of the robot is deactivated',
  'policy-nan': 'the policy answers NaN',
  'policy-short': 'the policy answers too few values',
  'policy-late': 'chunks take two seconds',
  'worker-death': 'the thread of the policy dies',
} as const;
export type FaultName = keyof typeof FAULTS;

export interface InjectedFault {
  readonly name: FaultName;
  /** Seconds from the start of the recording. */
  readonly atS: number;
}

/** `NAME@SECONDSs`, such as `camera-stall@3.2s`. @throws ConfigurationError `fault.unknown`. */
export function parseFault(text: string): InjectedFault {
  const [, name, seconds] = /^([\w-]+)@(\d+(?:\.\d+)?)s?$/.exec(text) ?? [];
  if (name !== undefined && Object.hasOwn(FAULTS, name)) return { name: name as FaultName, atS: Number(seconds) };
  throw new ConfigurationError({
    code: 'fault.unknown',
    message: `"${text}" is no fault that can be injected`,
    remedy: `give NAME@SECONDSs, with one of: ${Object.keys(FAULTS).join(', ')}`,
  });
}

/** Faults of the policy itself. */
export function needsPolicy(name: FaultName): boolean {
  return name.startsWith('policy-') || name === 'worker-death';
}

const LATE_S = 2;

/** Seconds by which chunks are later than they would be. */
export function injectedLatencyS(isActive: (name: FaultName) => boolean): number {
  return isActive('policy-late') ? LATE_S : 0;
}
