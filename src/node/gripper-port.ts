import { DEFAULT_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { Float64Message } from '../bus/messages.js';
import { widthOfState, type GripperConvention } from '../core/gripper.js';
import { fromSeconds } from '../core/time.js';
import { isHolding, testGripper } from '../execution/gripper.js';
import { OUTPUT_TYPES } from './topics.js';

/** A gripper that still goes moves by more than this from one measurement to the next, metres. */
const MOVING_M = 0.0005;

/** The gripper of the robot: what it is sent, and what is known of it. */
export class GripperPort {
  readonly #bus: Bus;
  readonly #publisher: Publisher<Float64Message>;
  readonly #convention: GripperConvention;
  /** The width that it was last sent, metres; null where none was. */
  #sentM: number | null = null;
  #widthM: number | null = null;
  #isMoving = false;
  #moves = 0;
  #isTesting = false;
  /** Why the test that runs is to end; null while it may go on. */
  #testInterrupted: string | null = null;

  constructor(bus: Bus, topic: string, convention: GripperConvention) {
    this.#bus = bus;
    this.#publisher = bus.advertise(topic, OUTPUT_TYPES.gripper, DEFAULT_QOS);
    this.#convention = convention;
  }

  /** Widths that plans had it moved to, sent or only shown. */
  get moves(): number {
    return this.#moves;
  }

  /** Whether something is in the gripper, as far as its width and what it was sent tell. */
  get isHolding(): boolean {
    return isHolding(this.#sentM, this.#widthM, this.#convention);
  }

  get isTesting(): boolean {
    return this.#isTesting;
  }

  /** @param state of the gripper, as a policy takes it. */
  saw(state: number): void {
    const before = this.#widthM;
    this.#widthM = widthOfState(state, this.#convention);
    this.#isMoving = before !== null && Math.abs(this.#widthM - before) > MOVING_M;
  }

  /** What a plan has it do. @param isDry only counted. */
  move(widthM: number, isDry: boolean): void {
    this.#moves++;
    if (!isDry) this.#send(widthM);
  }

  /** A gripper that is still closing stays where it is; one that has closed on something keeps its grip. @returns whether it was stopped. */
  halt(): boolean {
    const isClosing = this.#isMoving && this.#sentM !== null && this.#widthM !== null && this.#widthM > this.#sentM;
    if (isClosing) this.#send(this.#widthM!);
    return isClosing;
  }

  /** Opens, closes and opens it. Rejects with what `testGripper` does. @returns what came of it. */
  async test(): Promise<string> {
    this.#isTesting = true;
    this.#testInterrupted = null;
    try {
      const { clock } = this.#bus;
      const steps = await testGripper({
        send: (widthM) => {
          this.#send(widthM);
        },
        interrupted: () => this.#testInterrupted,
        measured: () => this.#widthM,
        sleep: (seconds) => clock.sleepUntil(clock.now() + fromSeconds(seconds)),
        convention: this.#convention,
      });
      const reached = steps.map(({ measuredM, seconds }) => `${measuredM.toFixed(4)} m after ${seconds.toFixed(2)} s`);
      return `open, closed, open: ${reached.join(', ')}`;
    } finally {
      this.#isTesting = false;
    }
  }

  /** Ends a test that runs, before its next movement. */
  interruptTest(why: string): void {
    if (this.#isTesting) this.#testInterrupted ??= why;
  }

  close(): void {
    this.#publisher.close();
  }

  #send(widthM: number): void {
    this.#sentM = widthM;
    this.#publisher.publish({ data: widthM });
  }
}
