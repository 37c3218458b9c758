import { Subject, type Observable, type Subscription } from 'rxjs';
import { DEFAULT_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { Float64Message, JointTrajectory } from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Arm } from '../core/arm.js';
import { widthOfState } from '../core/gripper.js';
import { describeError, InputError, PlannerError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame } from '../core/observation.js';
import { fromSeconds, toSeconds, toTimeMessage, type Nanoseconds } from '../core/time.js';
import { ChunkQueue, type QueueFigures, type QueueOptions } from '../execution/chunk-queue.js';
import {
  Executor,
  type Command,
  type ExecutorFigures,
  type ExecutorOptions,
  type Phase,
  type Stop,
} from '../execution/executor.js';
import { GripperSwitch, isHolding, testGripper, type GripperOptions } from '../execution/gripper.js';
import { prepareLimits, type LimiterOptions } from '../execution/limiter.js';
import { startFault } from '../execution/start-conditions.js';
import { SynchronousSlots } from '../execution/synchronous-slots.js';
import { Watchdogs, type Fault, type WatchedStream } from '../execution/watchdogs.js';
import { OUTPUT_TYPES, type NodeTopics } from './topics.js';

export interface ExecutionOptions {
  readonly arm: Arm;
  readonly limiter: LimiterOptions;
  readonly queue: QueueOptions;
  readonly gripper: GripperOptions;
  /** Commands are computed and shown, and not sent. */
  readonly dryRun: boolean;
  readonly relativeActions?: boolean;
  readonly slowStart?: ExecutorOptions['slowStart'];
  readonly maxTrackingErrorRad?: number;
  /** Expected time of a chunk, seconds: in asynchronous mode the next one is asked for so much earlier. */
  readonly latencyS: number;
  /** Of a replay, whose clock stands still while models compute: seconds after its observation that a chunk is taken to come. */
  readonly simulatedLatencyS?: () => number;
  /** The arm follows recorded commands, not these: it may move when this starts. */
  readonly isRecorded?: boolean;
  /** Cameras that the plans come from. */
  readonly cameras: readonly string[];
  readonly maxAgeS: WatchLimits;
  /** Modes of the robot in which it moves; others stop it. */
  readonly movingModes: readonly string[];
  readonly topics: NodeTopics;
  /** Seconds of a clock that never jumps. */
  readonly monotonicS: () => number;
}

/** Slots that a chunk may be waited for while nothing is sent; half a slot allows for a timer that is early or late. */
const PATIENCE_SLOTS = 1.5;

/** Longest ages, seconds. */
export interface WatchLimits {
  readonly images: number;
  readonly joints: number;
  /** Null where nobody publishes transforms. */
  readonly transforms: number | null;
  readonly chunk: number;
  /** For which a camera may show the very same picture. */
  readonly samePicture: number;
}

export interface ExecutionFigures extends ExecutorFigures {
  readonly phase: Phase;
  readonly queue: QueueFigures;
  readonly gripper_moves: number;
}

/** Chunks in, commands out, at a fixed rate: queue, limiter, gripper, watchdogs and the stop latch, wired to a bus. */
export class ExecutionStage {
  /** Every command, sent or only shown. */
  readonly commands: Observable<Command>;
  /** Every start: what was planned before is not executed any more. */
  readonly starts: Observable<void>;
  readonly #commands = new Subject<Command>();
  readonly #starts = new Subject<void>();
  readonly #bus: Bus;
  readonly #options: ExecutionOptions;
  readonly #queue: ChunkQueue;
  readonly #executor: Executor;
  readonly #watchdogs: Watchdogs;
  readonly #slots: SynchronousSlots;
  readonly #command: Publisher<JointTrajectory>;
  readonly #preview: Publisher<JointTrajectory>;
  readonly #gripper: Publisher<Float64Message>;
  readonly #subscriptions: Subscription[] = [];
  readonly #closing: (() => void)[] = [];
  #dryRun: boolean;
  #joints: JointPositions | null = null;
  #gripperWidthM: number | null = null;
  /** The width that the gripper was last sent, metres; null where none was. */
  #gripperSentM: number | null = null;
  /** As last heard; null where nothing was. */
  #mode: string | null = null;
  #testing = false;
  /** Why the test of the gripper that runs is to end; null while it may go on. */
  #testInterrupted: string | null = null;
  #startedAt: Nanoseconds = 0n;
  /** When the last command was made; null before the first since a start. */
  #lastTick: Nanoseconds | null = null;
  /** Since a chunk was late, and until it comes, every slot gets a command. */
  #isHolding = false;
  /** The chunk that is on its way; null while none is. */
  #coming: ActionChunk | null = null;
  #gripperMoves = 0;

  /** @throws ConfigurationError `limiter.options`, `queue.options`. */
  constructor(bus: Bus, options: ExecutionOptions) {
    this.#bus = bus;
    this.#options = options;
    this.commands = this.#commands.asObservable();
    this.starts = this.#starts.asObservable();
    this.#dryRun = options.dryRun;
    this.#queue = new ChunkQueue(options.queue);
    this.#executor = new Executor({
      limits: prepareLimits(options.arm, options.limiter),
      queue: this.#queue,
      gripper: new GripperSwitch(options.gripper),
      ...(options.relativeActions && { relative: true }),
      ...(options.slowStart && { slowStart: options.slowStart }),
      ...(options.maxTrackingErrorRad !== undefined && { maxTrackingErrorRad: options.maxTrackingErrorRad }),
    });
    this.#watchdogs = new Watchdogs(watchedStreams(options), options.monotonicS);
    this.#slots = new SynchronousSlots(() => {
      this.#ask();
    });
    this.#command = bus.advertise(options.topics.command, OUTPUT_TYPES.command, DEFAULT_QOS);
    this.#preview = bus.advertise(options.topics.command_preview, OUTPUT_TYPES.command_preview, DEFAULT_QOS);
    this.#gripper = bus.advertise(options.topics.gripper, OUTPUT_TYPES.gripper, DEFAULT_QOS);
    this.#subscriptions.push(
      bus.clock.every(fromSeconds(options.limiter.periodS)).subscribe(() => {
        if (options.queue.mode === 'synchronous') this.#slot();
        else this.#tick();
      }),
      bus.clock.jumps.subscribe((by) => {
        this.#jumped(by);
      }),
      bus.subscribe(options.topics.robot_mode, 'std_msgs/msg/String', DEFAULT_QOS).subscribe(({ message }) => {
        this.#robotMode(message.data);
      }),
    );
    this.#serve();
  }

  get phase(): Phase {
    return this.#executor.phase;
  }

  get dryRun(): boolean {
    return this.#dryRun;
  }

  /** @throws InputError `executor.*`, `limiter.*`. */
  start(): void {
    if (this.#testing) {
      throw new InputError({
        code: 'executor.gripper-test',
        message: 'the gripper is being tested',
        remedy: 'wait until its test is over',
      });
    }
    const now = this.#bus.clock.now();
    const { movingModes } = this.#options;
    const condition = this.#options.isRecorded
      ? null
      : startFault({ now, joints: this.#joints, mode: this.#mode, movingModes });
    // A plan is not waited for before there is a start.
    const faults = this.#watchdogs.faults(now, ['chunk']);
    this.#executor.start(
      now,
      this.#joints?.positions ?? null,
      condition ? [...faults, condition] : faults,
      this.keepsGripperShut,
    );
    this.#watchdogs.saw('chunk', now);
    this.#slots.clear();
    this.#startedAt = now;
    this.#lastTick = null;
    this.#isHolding = false;
    this.#coming = null;
    this.#starts.next();
  }

  /** Whether something is held that a start will not let go of before its plan has closed the gripper. */
  get keepsGripperShut(): boolean {
    return isHolding(this.#gripperSentM, this.#gripperWidthM, this.#options.gripper.convention);
  }

  stop(fault: Fault): void {
    if (this.#testing) this.#testInterrupted ??= fault.message;
    this.#executor.stop(this.#bus.clock.now(), fault);
    this.#slots.clear();
  }

  /** One that is on its way is waited for. */
  wantsChunk(): boolean {
    return (
      this.phase === 'active' && !this.#coming && this.#queue.wantsChunk(this.#bus.clock.now(), this.#options.latencyS)
    );
  }

  /**
   * A chunk that nobody waits for is left aside: a newer one will come when the queue needs it. So is one from before the start, which was
   * planned for another place of the arm.
   */
  offer(chunk: ActionChunk): void {
    if (!this.wantsChunk() || chunk.stamp < this.#startedAt) return;
    const due = chunk.stamp + fromSeconds(this.#options.simulatedLatencyS?.() ?? 0);
    if (due <= this.#bus.clock.now()) {
      this.#take(chunk);
      return;
    }
    this.#coming = chunk;
    this.#bus.clock
      .sleepUntil(due)
      .then(() => {
        if (this.#coming === chunk) this.#take(chunk);
      })
      // The clock was closed: nothing comes any more.
      .catch(() => undefined)
      .finally(() => {
        // Another one may have been promised meanwhile.
        if (this.#coming === chunk) this.#coming = null;
      });
  }

  /** Another task, also in the middle of a chunk: what was planned for the one before is dropped. */
  setInstruction(instruction: string): void {
    this.#queue.setInstruction(instruction);
    this.#coming = null;
    this.#slots.clear();
  }

  sawFrame(frame: CameraFrame): void {
    if (this.#options.cameras.includes(frame.camera))
      this.#watchdogs.saw(`camera.${frame.camera}`, frame.stamp, frame.fingerprint());
  }

  sawJoints(joints: JointPositions): void {
    this.#joints = joints;
    this.#watchdogs.saw('joints', joints.stamp);
  }

  /** @param state of the gripper, as a policy takes it. */
  sawGripper(state: number): void {
    this.#gripperWidthM = widthOfState(state, this.#options.gripper.convention);
  }

  sawTransforms(stamp: Nanoseconds): void {
    this.#watchdogs.saw('transforms', stamp);
  }

  /** Never in the middle of a motion: the robot would be sent from where it is to where it was only shown to be. */
  setDryRun(dryRun: boolean): { readonly success: boolean; readonly message: string } {
    if (this.phase === 'active' || this.phase === 'stopping') return { success: false, message: 'stop first' };
    this.#dryRun = dryRun;
    if (dryRun && this.#testing) this.#testInterrupted ??= 'this is a dry run now';
    return {
      success: true,
      message: dryRun ? 'commands are only shown' : 'commands will be sent after the next start',
    };
  }

  /** For the operator. */
  status(): { readonly phase: Phase; readonly dryRun: boolean; readonly lastStop: Stop | null } {
    return { phase: this.phase, dryRun: this.#dryRun, lastStop: this.#executor.lastStop };
  }

  figures(): ExecutionFigures {
    return {
      phase: this.phase,
      ...this.#executor.figures(),
      queue: this.#queue.figures(),
      gripper_moves: this.#gripperMoves,
    };
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const end of this.#closing) end();
    this.#command.close();
    this.#preview.close();
    this.#gripper.close();
    this.#commands.complete();
    this.#starts.complete();
  }

  #take(chunk: ActionChunk): void {
    const now = this.#bus.clock.now();
    if (this.#queue.offer(chunk, now) !== 'taken') return;
    this.#watchdogs.saw('chunk', now);
    if (this.#options.queue.mode !== 'synchronous') return;
    this.#tick();
    this.#slots.arrived();
  }

  /** A chunk that lets wait for longer than a slot finds the arm led to a stand: what it was sent last is no place to coast to. */
  #slot(): void {
    this.#slots.slot();
    if (!this.#slots.isWaiting) return;
    const sinceS = toSeconds(this.#bus.clock.now() - (this.#lastTick ?? this.#startedAt));
    if (sinceS <= PATIENCE_SLOTS * this.#options.limiter.periodS && !this.#isHolding) return;
    this.#isHolding = true;
    this.#tick();
  }

  /** Synchronous mode: the next step at once where there is one, or when its chunk comes. */
  #ask(): void {
    if (this.phase === 'active' && this.#queue.wantsChunk(this.#bus.clock.now())) {
      this.#slots.await();
      // Watchdogs bite while a chunk is waited for, too.
      this.#check();
    } else this.#tick();
  }

  #check(): void {
    const now = this.#bus.clock.now();
    for (const fault of this.#watchdogs.faults(now)) this.stop(fault);
  }

  #tick(): void {
    const now = this.#bus.clock.now();
    const faults = this.phase === 'idle' || this.phase === 'stopped' ? [] : this.#watchdogs.faults(now);
    const command = this.#executor.tick(now, this.#joints?.positions ?? null, faults);
    if (!command) return;
    this.#lastTick = now;
    if (command.step) this.#isHolding = false;
    this.#publish(command);
    this.#commands.next(command);
  }

  #publish(command: Command): void {
    const publisher = this.#dryRun ? this.#preview : this.#command;
    publisher.publish({
      header: { stamp: toTimeMessage(command.stamp), frame_id: '' },
      joint_names: [...(this.#joints?.names ?? [])],
      points: [
        {
          positions: [...command.positions],
          velocities: [...command.velocities],
          accelerations: [],
          effort: [],
          // The time that its way was limited for: sent to be made in less, it would be too fast.
          time_from_start: toTimeMessage(fromSeconds(Math.max(command.dtS, this.#options.limiter.periodS))),
        },
      ],
    });
    if (command.gripperWidthM === null) return;
    this.#gripperMoves++;
    if (!this.#dryRun) this.#sendGripper(command.gripperWidthM);
  }

  #sendGripper(widthM: number): void {
    this.#gripperSentM = widthM;
    this.#gripper.publish({ data: widthM });
  }

  #jumped(by: Nanoseconds): void {
    this.stop({
      code: 'clock.jump',
      message: `the clock jumped ${by < 0n ? 'back' : 'forward'} by ${Math.abs(Number(by) / 1e9).toFixed(3)} s`,
      remedy: 'look at what sets the clock (a looped recording, a reset simulation, NTP), then start again',
      reaction: 'silent',
    });
    this.#watchdogs.clear();
    this.#joints = null;
    this.#coming = null;
  }

  #robotMode(mode: string): void {
    this.#mode = mode;
    if (this.#options.movingModes.includes(mode)) return;
    this.stop({
      code: 'robot.mode',
      message: `the robot is in mode "${mode}" (it moves in: ${this.#options.movingModes.join(', ')})`,
      remedy: 'recover the robot and its controller, then start again',
      reaction: 'silent',
    });
  }

  #whyNoGripperTest(): string | null {
    if (this.#dryRun) return 'this is a dry run';
    if (this.#testing) return 'it is being tested already';
    if (this.phase === 'active' || this.phase === 'stopping') return 'the arm moves';
    const isDisabled = this.#mode !== null && !this.#options.movingModes.includes(this.#mode);
    return isDisabled ? `the robot is in mode "${this.#mode}"` : null;
  }

  /** Opens, closes and opens the gripper while the arm stands, and is sent nothing. */
  async #testGripper(): Promise<{ success: boolean; message: string }> {
    const why = this.#whyNoGripperTest();
    if (why !== null) return { success: false, message: `the gripper is not tested: ${why}` };
    this.#testing = true;
    this.#testInterrupted = null;
    try {
      const steps = await testGripper({
        send: (widthM) => {
          this.#sendGripper(widthM);
        },
        interrupted: () => this.#testInterrupted,
        measured: () => this.#gripperWidthM,
        sleep: (seconds) => this.#bus.clock.sleepUntil(this.#bus.clock.now() + fromSeconds(seconds)),
        convention: this.#options.gripper.convention,
      });
      const reached = steps.map(({ measuredM, seconds }) => `${measuredM.toFixed(4)} m after ${seconds.toFixed(2)} s`);
      return { success: true, message: `open, closed, open: ${reached.join(', ')}` };
    } catch (error) {
      return {
        success: false,
        message: `${describeError(error)}${error instanceof PlannerError ? `. ${error.remedy}` : ''}`,
      };
    } finally {
      this.#testing = false;
    }
  }

  #serve(): void {
    const { topics } = this.#options;
    const trigger = (act: () => string): (() => Promise<{ success: boolean; message: string }>) => {
      return () => {
        try {
          return Promise.resolve({ success: true, message: act() });
        } catch (error) {
          const remedy = error instanceof PlannerError ? `. ${error.remedy}` : '';
          return Promise.resolve({ success: false, message: `${describeError(error)}${remedy}` });
        }
      };
    };
    this.#closing.push(
      this.#bus.serve(
        topics.start,
        'std_srvs/srv/Trigger',
        trigger(() => {
          this.start();
          if (this.#dryRun) return 'active, as a dry run: nothing is sent to the robot';
          return this.keepsGripperShut
            ? 'active; the gripper stays shut until the plan has closed it itself'
            : 'active';
        }),
      ),
      this.#bus.serve(
        topics.stop,
        'std_srvs/srv/Trigger',
        trigger(() => {
          this.stop({
            code: 'operator',
            message: 'somebody asked for a stop',
            remedy: 'start again when it is safe',
            reaction: 'brake',
          });
          return this.phase;
        }),
      ),
      this.#bus.serve(topics.gripper_test, 'std_srvs/srv/Trigger', () => this.#testGripper()),
      this.#bus.serve(topics.dry_run, 'std_srvs/srv/SetBool', ({ data }) => Promise.resolve(this.setDryRun(data))),
    );
  }
}

function watchedStreams({ cameras, maxAgeS }: ExecutionOptions): Readonly<Record<string, WatchedStream>> {
  return {
    ...Object.fromEntries(
      cameras.map((camera) => [
        `camera.${camera}`,
        { what: `camera ${camera}`, maxAgeS: maxAgeS.images, maxSameS: maxAgeS.samePicture },
      ]),
    ),
    joints: { what: 'joint states', maxAgeS: maxAgeS.joints },
    ...(maxAgeS.transforms !== null && { transforms: { what: 'transforms', maxAgeS: maxAgeS.transforms } }),
    chunk: { what: 'plan', maxAgeS: maxAgeS.chunk },
  };
}
