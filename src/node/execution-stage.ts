import { Subject, type Observable, type Subscription } from 'rxjs';
import { DEFAULT_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { JointTrajectory } from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame } from '../core/observation.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import { ChunkQueue, type QueueFigures, type QueueOptions } from '../execution/chunk-queue.js';
import { absoluteChunk } from '../execution/absolute-chunk.js';
import { Executor, type Command, type ExecutorFigures, type Phase, type Stop } from '../execution/executor.js';
import { GripperSwitch, type GripperOptions } from '../execution/gripper.js';
import { prepareLimits, type LimiterOptions } from '../execution/limiter.js';
import { startFault } from '../execution/start-conditions.js';
import { SynchronousSlots } from '../execution/synchronous-slots.js';
import type { TrackingOptions } from '../execution/tracking.js';
import { Watchdogs, type Fault, type WatchedStream } from '../execution/watchdogs.js';
import { serveExecution } from './execution-services.js';
import { GripperPort } from './gripper-port.js';
import { OUTPUT_TYPES, type NodeTopics } from './topics.js';
import { trajectoryMessage } from './trajectory-message.js';

export interface ExecutionOptions {
  readonly arm: Arm;
  readonly limiter: LimiterOptions;
  readonly queue: QueueOptions;
  readonly gripper: GripperOptions;
  /** Commands are computed and shown, and not sent. */
  readonly dryRun: boolean;
  /** A policy's steps are changes of the joints. */
  readonly relativeActions?: boolean;
  /** Ticks that are never changed once they were sent. */
  readonly commitTicks: number;
  /** Ticks before now at which a sent curve begins: more than the clocks may be apart. */
  readonly historyTicks: number;
  /** Null where the arm that is measured is not the one that is commanded, as in a replay. */
  readonly tracking: TrackingOptions | null;
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

/** Chunks in, commands out, at a fixed rate: queue, curve, gripper, watchdogs and the stop latch, wired to a bus. */
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
  readonly #gripper: GripperPort;
  readonly #subscriptions: Subscription[] = [];
  readonly #closing: readonly (() => void)[];
  #dryRun: boolean;
  #joints: JointPositions | null = null;
  /** As last heard; null where nothing was. */
  #mode: string | null = null;
  #startedAt: Nanoseconds = 0n;
  /** When the timer was last due: a curve has its ticks where the timer has them. */
  #due: Nanoseconds;
  /** When the last command was made; null before the first since a start. */
  #lastTick: Nanoseconds | null = null;
  /** Since a chunk was late, and until it comes, every slot gets a command. */
  #isHolding = false;
  /** The chunk that is on its way; null while none is. */
  #coming: ActionChunk | null = null;

  /** @throws ConfigurationError `limiter.options`, `queue.options`. */
  constructor(bus: Bus, options: ExecutionOptions) {
    this.#bus = bus;
    this.#options = options;
    this.commands = this.#commands.asObservable();
    this.starts = this.#starts.asObservable();
    this.#dryRun = options.dryRun;
    const limits = prepareLimits(options.arm, options.limiter);
    this.#queue = new ChunkQueue(options.queue);
    this.#executor = new Executor({
      limits,
      queue: this.#queue,
      gripper: new GripperSwitch(options.gripper),
      commitTicks: options.commitTicks,
      tracking: options.tracking,
    });
    this.#watchdogs = new Watchdogs(watchedStreams(options), options.monotonicS);
    this.#slots = new SynchronousSlots(() => {
      this.#ask();
    });
    const { topics } = options;
    this.#command = bus.advertise(topics.command, OUTPUT_TYPES.command, DEFAULT_QOS);
    this.#preview = bus.advertise(topics.command_preview, OUTPUT_TYPES.command_preview, DEFAULT_QOS);
    this.#gripper = new GripperPort(bus, topics.gripper, options.gripper.convention);
    this.#due = bus.clock.now();
    this.#subscriptions.push(
      bus.clock.every(limits.periodNs).subscribe((due) => {
        this.#due = due;
        if (options.queue.mode === 'synchronous') this.#slot();
        else this.#tick(due);
      }),
      bus.clock.jumps.subscribe((by) => {
        this.#jumped(by);
      }),
      bus.subscribe(topics.robot_mode, 'std_msgs/msg/String', DEFAULT_QOS).subscribe(({ message }) => {
        this.#robotMode(message.data);
      }),
    );
    this.#closing = serveExecution(bus, topics, {
      start: () => this.#startNow(),
      stop: () => {
        this.stop(ASKED_FOR);
        return this.phase;
      },
      testGripper: () => this.#testGripper(),
      setDryRun: (isDry) => this.setDryRun(isDry),
    });
  }

  get phase(): Phase {
    return this.#executor.phase;
  }

  get dryRun(): boolean {
    return this.#dryRun;
  }

  /** A start that is refused changes nothing. @throws InputError `executor.*`, `limiter.*`. */
  start(): void {
    if (this.#gripper.isTesting)
      throw notNow('gripper-test', 'the gripper is being tested', 'wait until its test is over');
    const now = this.#bus.clock.now();
    const { movingModes } = this.#options;
    const condition = this.#options.isRecorded
      ? null
      : startFault({ now, joints: this.#joints, mode: this.#mode, movingModes });
    // A plan is not waited for before there is a start.
    const faults = this.#watchdogs.faults(now, ['chunk']);
    this.#executor.start(this.#due, {
      measured: this.#joints,
      reference: null,
      faults: condition ? [...faults, condition] : faults,
      isHolding: this.keepsGripperShut,
    });
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
    return this.#gripper.isHolding;
  }

  stop(fault: Fault): void {
    this.#gripper.interruptTest(fault.message);
    this.#executor.stop(this.#bus.clock.now(), fault);
    this.#slots.clear();
  }

  /** One that is on its way is waited for. */
  wantsChunk(): boolean {
    return (
      this.#executor.isFollowing &&
      !this.#coming &&
      this.#queue.wantsChunk(this.#bus.clock.now(), this.#options.latencyS)
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
    this.#executor.sawMeasured(joints);
    // What is only shown is not followed.
    if (!this.#dryRun) this.#executor.judgeMeasured(this.#bus.clock.now(), joints);
  }

  /** @param state of the gripper, as a policy takes it. */
  sawGripper(state: number): void {
    this.#gripper.saw(state);
  }

  sawTransforms(stamp: Nanoseconds): void {
    this.#watchdogs.saw('transforms', stamp);
  }

  /**
   * Never in the middle of a motion: the robot would be sent from where it is to where it was only shown to be.
   * @returns what holds now. @throws InputError `executor.dry-run`.
   */
  setDryRun(isDry: boolean): string {
    if (this.#executor.isRunning) throw notNow('dry-run', 'the arm is active', 'stop first');
    this.#dryRun = isDry;
    if (isDry) this.#gripper.interruptTest('this is a dry run now');
    return isDry ? 'commands are only shown' : 'commands will be sent after the next start';
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
      gripper_moves: this.#gripper.moves,
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

  #take(given: ActionChunk): void {
    const now = this.#bus.clock.now();
    const from = this.#executor.timeline?.at(given.stamp).positions;
    const chunk = this.#options.relativeActions === true && from ? absoluteChunk(given, from) : given;
    if (this.#queue.offer(chunk, now) !== 'taken') return;
    this.#watchdogs.saw('chunk', now);
    if (this.#options.queue.mode !== 'synchronous') return;
    this.#tick(now, true);
    this.#slots.arrived();
  }

  /** While a chunk is late for longer than a slot, every slot sends the way on which the arm comes to a stand. */
  #slot(): void {
    this.#slots.slot();
    if (!this.#slots.isWaiting) return;
    const sinceS = toSeconds(this.#due - (this.#lastTick ?? this.#startedAt));
    if (sinceS <= PATIENCE_SLOTS * this.#options.limiter.periodS && !this.#isHolding) return;
    this.#isHolding = true;
    this.#tick(this.#due);
  }

  /** Synchronous mode: the next step at once where there is one, or when its chunk comes. */
  #ask(): void {
    if (this.#executor.isFollowing && this.#queue.wantsChunk(this.#due)) {
      this.#slots.await();
      // Watchdogs bite while a chunk is waited for, too.
      for (const fault of this.#watchdogs.faults(this.#due)) this.stop(fault);
    } else this.#tick(this.#due);
  }

  #tick(at: Nanoseconds, isBetween = false): void {
    const faults = this.#executor.isRunning ? this.#watchdogs.faults(at) : [];
    const command = this.#executor.tick(at, faults, isBetween);
    if (!command) return;
    this.#lastTick = at;
    if (command.step) this.#isHolding = false;
    this.#publish(command);
    this.#commands.next(command);
  }

  #publish({ timeline, tick, gripperWidthM }: Command): void {
    const publisher = this.#dryRun ? this.#preview : this.#command;
    publisher.publish(trajectoryMessage(timeline, tick, this.#options.historyTicks, this.#joints?.names ?? []));
    if (gripperWidthM !== null) this.#gripper.move(gripperWidthM, this.#dryRun);
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
    this.#due = this.#bus.clock.now();
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

  #startNow(): string {
    this.start();
    if (this.#dryRun) return 'active, as a dry run: nothing is sent to the robot';
    return this.keepsGripperShut ? 'active; the gripper stays shut until the plan has closed it itself' : 'active';
  }

  /** Tests the gripper while the arm stands, and is sent nothing. */
  async #testGripper(): Promise<string> {
    const why = this.#whyNoGripperTest();
    if (why !== null) throw notNow('gripper', `the gripper is not tested: ${why}`, 'end that first');
    return this.#gripper.test();
  }

  #whyNoGripperTest(): string | null {
    if (this.#dryRun) return 'this is a dry run';
    if (this.#gripper.isTesting) return 'it is being tested already';
    if (this.#executor.isRunning) return 'the arm moves';
    const isDisabled = this.#mode !== null && !this.#options.movingModes.includes(this.#mode);
    return isDisabled ? `the robot is in mode "${this.#mode}"` : null;
  }
}

const ASKED_FOR: Fault = {
  code: 'operator',
  message: 'somebody asked for a stop',
  remedy: 'start again when it is safe',
  reaction: 'brake',
};

function notNow(code: string, message: string, remedy: string): InputError {
  return new InputError({ code: `executor.${code}`, message, remedy });
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
