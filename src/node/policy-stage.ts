import { Subject, type Observable } from 'rxjs';
import { CancelledError, InputError, RetryableError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import { normalNumbers, seededRandom } from '../core/random.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { ActionExpertPolicy, PolicyResult } from '../planning/action-expert-policy.js';
import { ObservationWindow, type WindowOptions } from '../sensing/observation-window.js';
import type { PlanningStage, RobotMoment } from './planning-stage.js';

export interface PolicyStageOptions {
  /** Cameras of the bus, in the order of the model's images. */
  readonly cameras: readonly string[];
  readonly window: WindowOptions;
  /** Widest difference of stamps between the newest pictures of two cameras, seconds. */
  readonly maxIntervalS: number;
  /** Least time between two chunks, seconds of the stamps. */
  readonly periodS: number;
  /** Of the noise that chunks start from. */
  readonly seed: number;
  /** Whether anybody waits for a chunk; always, where it is left out. */
  readonly isWanted?: () => boolean;
}

/** Asks the policy for a chunk at every complete set of pictures, one at a time. */
export class PolicyStage implements PlanningStage {
  readonly results: Observable<PolicyResult>;
  readonly observed: Observable<Nanoseconds>;
  readonly failures: Observable<unknown>;
  /** A policy does not say when it is done. */
  readonly isDone = false;
  readonly #policy: ActionExpertPolicy;
  readonly #options: PolicyStageOptions;
  readonly #results = new Subject<PolicyResult>();
  readonly #observed = new Subject<Nanoseconds>();
  readonly #failures = new Subject<unknown>();
  readonly #windows: ReadonlyMap<string, ObservationWindow>;
  readonly #random: () => number;
  readonly #abort = new AbortController();
  #last: Nanoseconds | null = null;
  #running: Promise<void> | undefined;
  /** Grows with every jump of the clock: what was begun before belongs to another run. */
  #epoch = 0;

  constructor(policy: ActionExpertPolicy, options: PolicyStageOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#windows = new Map(options.cameras.map((camera) => [camera, new ObservationWindow(options.window)]));
    this.#random = seededRandom(options.seed);
    this.results = this.#results.asObservable();
    this.observed = this.#observed.asObservable();
    this.failures = this.#failures.asObservable();
  }

  /** A picture of any camera; begins a chunk when all cameras of the policy have been seen at that time and none is under way. */
  addFrame(frame: CameraFrame, robot: RobotMoment): void {
    const window = this.#windows.get(frame.camera);
    if (!window) return;
    window.add(frame);
    const images = this.#picturesNow();
    if (!images || this.#running || this.#options.isWanted?.() === false) return;
    const { stamp } = images.newest;
    if (this.#last !== null && stamp - this.#last < fromSeconds(this.#options.periodS)) return;
    if (this.#last === stamp) return;
    this.#last = stamp;
    this.#observed.next(stamp);
    this.#running = this.#plan(stamp, images.frames, robot).finally(() => {
      this.#running = undefined;
    });
  }

  sawForecast(): void {
    // It looks at the pictures itself.
  }

  sawCommand(): void {
    // The next observation shows what came of it.
  }

  restart(): void {
    // What was planned before a start is not executed; the observations stay true.
  }

  settle(): Promise<void> | undefined {
    return this.#running;
  }

  clear(): void {
    for (const window of this.#windows.values()) window.clear();
    this.#last = null;
    this.#epoch++;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#results.complete();
    this.#failures.complete();
  }

  /**
   * Pictures of all cameras, each camera's from the oldest to the newest; null while a camera lags behind. Early in an episode the windows are
   * shorter, as in the policy's training, but of one length: the model tells cameras apart by the places of their pictures.
   */
  #picturesNow(): { readonly newest: CameraFrame; readonly frames: readonly CameraFrame[] } | null {
    const windows = [...this.#windows.values()].map((window) => window.available());
    const newest = windows.map((frames) => frames.at(-1));
    const [first] = newest;
    const limit = fromSeconds(this.#options.maxIntervalS);
    for (const frame of newest) {
      if (!first || !frame) return null;
      const apart = frame.stamp - first.stamp;
      if (apart > limit || -apart > limit) return null;
    }
    const length = Math.min(...windows.map((frames) => frames.length));
    return { newest: first!, frames: windows.flatMap((frames) => frames.slice(-length)) };
  }

  async #plan(stamp: Nanoseconds, frames: readonly CameraFrame[], robot: RobotMoment): Promise<void> {
    const epoch = this.#epoch;
    try {
      const { joints, gripper, instruction } = robot;
      if (!joints || gripper === null) throw noState(joints === null);
      if (instruction === '') throw noInstruction();
      const result = await this.#policy.plan(
        {
          stamp,
          images: await Promise.all(frames.map((frame) => frame.color())),
          instruction,
          state: [...joints.positions, gripper],
        },
        normalNumbers(this.#policy.noiseLength, this.#random),
        this.#abort.signal,
      );
      if (epoch === this.#epoch) this.#results.next(result);
    } catch (error) {
      if (!(error instanceof CancelledError)) this.#failures.next(error);
    }
  }
}

function noState(arm: boolean): RetryableError {
  return new RetryableError({
    code: 'policy.no-state',
    message: `no joint state of the ${arm ? 'arm' : 'gripper'} has come, which the policy needs`,
    remedy: `publish it on the joint state topic${arm ? '' : ', or name its joint in the configuration'}`,
  });
}

function noInstruction(): InputError {
  return new InputError({
    code: 'instruction.empty',
    message: 'there is no instruction yet, or it is empty',
    remedy: 'publish it on the instruction topic, or set instruction.text (--instruction)',
  });
}
