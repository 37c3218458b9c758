import { ConfigurationError, RetryableError } from '../core/errors.js';
import { isClosing } from './reference-command.js';

/** How a gripper's opening, its joint and its commands are told. */
export interface GripperConvention {
  /** Fully open, metres between the fingers. */
  readonly openWidthM: number;
  /** The joint's position in a policy's state when the gripper is closed; it is 0 when open. */
  readonly closedState: number;
  /** A policy's command that closes; 0 opens. */
  readonly closedCommand: number;
}

/** Of MolmoSpaces and of the DROID robots: a Robotiq 2F-85 with its driver joint in radians, commanded 0 to 255. */
export const ROBOTIQ_2F85: GripperConvention = { openWidthM: 0.085, closedState: 0.824033, closedCommand: 255 };

/** A policy that was trained with a Robotiq, on a Franka hand: the same share of its opening. */
export const FRANKA_HAND: GripperConvention = { ...ROBOTIQ_2F85, openWidthM: 0.08 };

/** The state that a policy expects of a gripper that is open by so much, metres. Widths beyond the ends count as these. */
export function stateOfWidth(widthM: number, { openWidthM, closedState }: GripperConvention): number {
  return (1 - Math.min(1, Math.max(0, widthM / openWidthM))) * closedState;
}

/** The width, metres, that a policy's command asks for. */
export function widthOfCommand(command: number, { openWidthM, closedCommand }: GripperConvention): number {
  return (1 - Math.min(1, Math.max(0, command / closedCommand))) * openWidthM;
}

export interface GripperOptions {
  readonly convention: GripperConvention;
  /** Ticks for which a command must stay before the gripper follows; 1 follows at once. */
  readonly debounceTicks?: number;
  /** Commands as they are, instead of open or closed by the threshold. */
  readonly raw?: boolean;
}

/** A gripper moves only when the width that it is sent changes by more than this (`numpy.isclose` of the published client), metres. */
const CHANGE_M = 0.002;
const RELATIVE_CHANGE = 1e-5;

/** Turns a policy's gripper commands into widths, each told once. */
export class GripperSwitch {
  readonly #options: Required<GripperOptions>;
  #sent: number | null;
  #waiting: { readonly widthM: number; ticks: number } | null = null;

  /** @param sentM the width that the gripper was last sent, where that is known. */
  constructor(options: GripperOptions, sentM: number | null = null) {
    this.#options = { debounceTicks: 1, raw: false, ...options };
    this.#sent = sentM;
  }

  /** The width to send now, metres; null when there is nothing new. */
  update(command: number): number | null {
    const { convention, raw, debounceTicks } = this.#options;
    const meant = raw ? command : isClosing(command) ? convention.closedCommand : 0;
    const widthM = widthOfCommand(meant, convention);
    if (this.#sent !== null && Math.abs(widthM - this.#sent) <= CHANGE_M + RELATIVE_CHANGE * Math.abs(this.#sent)) {
      this.#waiting = null;
      return null;
    }
    const ticks = this.#waiting?.widthM === widthM ? this.#waiting.ticks + 1 : 1;
    this.#waiting = { widthM, ticks };
    if (ticks < debounceTicks) return null;
    this.#waiting = null;
    this.#sent = widthM;
    return widthM;
  }
}

export interface GripperTestOptions {
  /** Sends a width, metres. */
  readonly send: (widthM: number) => void;
  /** The measured width, metres; null while none is known. */
  readonly measured: () => number | null;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly convention: GripperConvention;
  /** Longest time for one movement, seconds. */
  readonly timeoutS?: number;
}

export interface GripperTestStep {
  readonly askedM: number;
  readonly measuredM: number;
  readonly seconds: number;
}

const POLL_S = 0.05;
const REACHED_M = 0.005;

/**
 * Opens, closes and opens the gripper, and nothing else: the arm is never commanded. Nothing may be between the fingers.
 * Rejects with RetryableError `gripper.silent` without a measurement, `gripper.stuck` where a width is not reached.
 */
export async function testGripper(options: GripperTestOptions): Promise<readonly GripperTestStep[]> {
  const { send, measured, sleep, convention, timeoutS = 5 } = options;
  if (!(convention.openWidthM > 0)) {
    throw new ConfigurationError({
      code: 'gripper.width',
      message: `a gripper that opens by ${convention.openWidthM} m cannot be tested`,
      remedy: 'give its width when open, metres',
    });
  }
  const steps: GripperTestStep[] = [];
  for (const askedM of [convention.openWidthM, 0, convention.openWidthM]) {
    send(askedM);
    let seconds = 0;
    let measuredM = measured();
    while (measuredM === null || Math.abs(measuredM - askedM) > REACHED_M) {
      if (seconds >= timeoutS) {
        throw new RetryableError(
          measuredM === null
            ? {
                code: 'gripper.silent',
                message: `no width of the gripper has been measured in ${timeoutS} s`,
                remedy: 'check that its driver runs and publishes joint states',
              }
            : {
                code: 'gripper.stuck',
                message: `the gripper was sent to ${askedM} m and stands at ${measuredM.toFixed(4)} m after ${timeoutS} s`,
                remedy: 'take away what is between its fingers; check its width when open, and that it was homed',
              },
        );
      }
      await sleep(POLL_S);
      seconds += POLL_S;
      measuredM = measured();
    }
    steps.push({ askedM, measuredM, seconds });
  }
  return steps;
}
