import { widthOfCommand, type GripperConvention } from '../core/gripper.js';
import { ConfigurationError, RetryableError } from '../core/errors.js';
import { isClosing } from './reference-command.js';

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
  #keepsShut = false;

  /** @param sentM the width that the gripper was last sent, where that is known. */
  constructor(options: GripperOptions, sentM: number | null = null) {
    this.#options = { debounceTicks: 1, raw: false, ...options };
    this.#sent = sentM;
  }

  /**
   * What was sent before is not relied on any more: the next command is told anew.
   * @param isHolding something is in the gripper. It is not let go of before the plan itself has closed the gripper, since a plan that begins with
   * an open gripper does not know of it.
   */
  reset(isHolding = false): void {
    this.#sent = null;
    this.#waiting = null;
    this.#keepsShut = isHolding;
  }

  /** The width to send now, metres; null when there is nothing new. */
  update(command: number): number | null {
    const { convention, raw, debounceTicks } = this.#options;
    if (this.#keepsShut && !isClosing(command)) return null;
    this.#keepsShut = false;
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

/** An object keeps the fingers further apart than a width that they were sent, and shut by more than this below open, metres. */
const OBJECT_M = 0.004;

/** Whether something is in the gripper. @param sentM the last width that it was sent; null where none was. @param widthM as measured; null where it is not. */
export function isHolding(sentM: number | null, widthM: number | null, { openWidthM }: GripperConvention): boolean {
  if (sentM === null || sentM >= openWidthM - OBJECT_M) return false;
  // A gripper that was closed and whose width is not known may hold something.
  return widthM === null || (widthM > sentM + OBJECT_M && widthM < openWidthM - OBJECT_M);
}

export interface GripperTestOptions {
  /** Sends a width, metres. */
  readonly send: (widthM: number) => void;
  /** The measured width, metres; null while none is known. */
  readonly measured: () => number | null;
  readonly sleep: (seconds: number) => Promise<void>;
  /** Why the gripper may not be moved any more; null while it may. */
  readonly interrupted: () => string | null;
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
 * Rejects with RetryableError `gripper.silent` without a measurement, `gripper.stuck` where a width is not reached,
 * `gripper.interrupted` where its movement was forbidden meanwhile.
 */
export async function testGripper(options: GripperTestOptions): Promise<readonly GripperTestStep[]> {
  const { send, measured, sleep, interrupted, convention, timeoutS = 5 } = options;
  if (!(convention.openWidthM > 0)) {
    throw new ConfigurationError({
      code: 'gripper.width',
      message: `a gripper that opens by ${convention.openWidthM} m cannot be tested`,
      remedy: 'give its width when open, metres',
    });
  }
  const steps: GripperTestStep[] = [];
  for (const askedM of [convention.openWidthM, 0, convention.openWidthM]) {
    checkUninterrupted(interrupted());
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
      checkUninterrupted(interrupted());
      measuredM = measured();
    }
    steps.push({ askedM, measuredM, seconds });
  }
  return steps;
}

function checkUninterrupted(why: string | null): void {
  if (why === null) return;
  throw new RetryableError({
    code: 'gripper.interrupted',
    message: `the test of the gripper was ended: ${why}`,
    remedy: 'test it again when nothing forbids it',
  });
}
