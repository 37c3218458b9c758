import { Subject, type Observable, type Subscription } from 'rxjs';
import { SENSOR_QOS, LATCHED_QOS, STATIC_TF_QOS, DEFAULT_QOS, type Bus, type Qos, type Stamped } from '../bus/bus.js';
import type { MessageType, MessageTypes, TFMessage } from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import { CancelledError, describeError, InputError, PlannerError, RetryableError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame, Observation } from '../core/observation.js';
import { liftedPoints, type QueryPoints } from '../core/query-points.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { TfBuffer } from '../geometry/tf-buffer.js';
import { compose, IDENTITY, invert, type Transform } from '../geometry/transform.js';
import type { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import { CameraStream } from '../sensing/camera-stream.js';
import { findArmJoints, readGripperState, readJoints } from '../sensing/joint-states.js';
import { stampedTransforms } from '../sensing/transform-messages.js';
import { ObservationWindow } from '../sensing/observation-window.js';
import type { AgreementMonitor } from './agreement-monitor.js';
import type { CameraTopics } from './camera-topics.js';
import type { Fault } from '../execution/watchdogs.js';
import type { ExecutionStage } from './execution-stage.js';
import { ForecastPublisher } from './forecast-publisher.js';
import { Latencies } from './latencies.js';
import type { PlannerOptions } from './planner-options.js';
import type { PlanningStage } from './policy-stage.js';
import { RefusalCounter, type Stage } from './refusals.js';

/** One forecast with everything it came from. */
export interface PlannerResult {
  readonly observation: Observation;
  readonly query: QueryPoints;
  readonly forecast: Forecast;
  /** Pose of the forecast's frame in the arm's base at t0; null where nobody publishes it. */
  readonly cameraInBase: Transform | null;
}

/** What the stages look at, as it was when the newest picture came. */
interface Moment extends Observation {
  readonly window: readonly CameraFrame[];
  /** Why it waits. */
  readonly reason?: RetryableError;
}

const QUEUE_SIZE = 10;
const DIAGNOSTICS_PERIOD: Nanoseconds = 1_000_000_000n;

/** The stages wired to a bus: sensing, grounding, forecasting, and what is shown of them. */
export class Planner {
  readonly results: Observable<PlannerResult>;
  /** Errors of single forecasts, as they happen; they are counted in `refusals` too. */
  readonly failures: Observable<unknown>;
  readonly refusals = new RefusalCounter();
  readonly latencies = new Latencies();
  readonly counts = {
    frames: 0,
    windows: 0,
    incompleteWindows: 0,
    queries: 0,
    forecasts: 0,
    chunks: 0,
    jointStates: 0,
    transforms: 0,
  };
  readonly #bus: Bus;
  readonly #options: PlannerOptions;
  readonly #grounders: readonly Grounder[];
  readonly #forecaster: Forecaster;
  readonly #policy: PlanningStage | null;
  readonly #execution: ExecutionStage | null;
  readonly #agreement: AgreementMonitor | null;
  readonly #results = new Subject<PlannerResult>();
  readonly #failures = new Subject<unknown>();
  readonly #subscriptions: Subscription[] = [];
  readonly #streams = new Map<string, CameraStream>();
  readonly #windows = new Map<string, ObservationWindow>();
  /** Camera by the frame its pictures come in. */
  readonly #frameCameras = new Map<string, string>();
  readonly #tf = new TfBuffer();
  readonly #publisher: ForecastPublisher;
  readonly #abort = new AbortController();
  #instruction: string;
  #joints: JointPositions | null = null;
  #armJoints: readonly string[] | null = null;
  #gripper: number | null = null;
  #lastForecast: Nanoseconds | null = null;
  #running: Promise<void> | undefined;
  /** A moment whose transforms have not come yet; tried again with each that comes. */
  #waiting: Moment | null = null;
  /** Grows with every message of transforms. */
  #tfVersion = 0;
  /** Grows with every jump back: what was begun before belongs to another run. */
  #epoch = 0;

  /**
   * @param grounders asked in order; the first that has something to ground is used. @param policy plans beside the forecasts; nobody when null.
   * @param execution makes commands of its chunks; nobody when null. @param agreement compares them with the forecasts.
   */
  constructor(
    bus: Bus,
    options: PlannerOptions,
    grounders: readonly Grounder[],
    forecaster: Forecaster,
    policy: PlanningStage | null = null,
    execution: ExecutionStage | null = null,
    agreement: AgreementMonitor | null = null,
  ) {
    this.#bus = bus;
    this.#options = options;
    this.#grounders = grounders;
    this.#forecaster = forecaster;
    this.#policy = policy;
    this.#execution = execution;
    this.#agreement = agreement;
    this.#instruction = options.instruction ?? '';
    if (options.instruction !== undefined) execution?.setInstruction(options.instruction);
    this.#publisher = new ForecastPublisher(bus);
    this.results = this.#results.asObservable();
    this.failures = this.#failures.asObservable();
    for (const camera of options.cameras) this.#subscribeCamera(camera);
    this.#listen('/tf', 'tf2_msgs/msg/TFMessage', DEFAULT_QOS, ({ message }) => {
      this.#addTransforms(message, false);
    });
    this.#listen('/tf_static', 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS, ({ message }) => {
      this.#addTransforms(message, true);
    });
    this.#listen(options.topics.joints, 'sensor_msgs/msg/JointState', SENSOR_QOS, ({ message }) => {
      const gripper = readGripperState(message);
      if (gripper !== null) execution?.sawGripper(gripper);
      this.#gripper = gripper ?? this.#gripper;
      this.#armJoints ??= findArmJoints(message.name);
      // Messages of other publishers (a gripper, a mobile base) share the topic; they are not this arm's.
      if (!this.#armJoints) return;
      this.#joints = readJoints(message, this.#armJoints);
      execution?.sawJoints(this.#joints);
      this.counts.jointStates++;
    });
    if (options.instruction === undefined) {
      // A latched subscriber hears no publisher that is not latched (ros2 topic pub), and only it hears what was said before; so both.
      for (const qos of [DEFAULT_QOS, LATCHED_QOS]) {
        this.#listen(options.topics.instruction, 'std_msgs/msg/String', qos, ({ message }) => {
          this.#instruction = message.data.trim();
          execution?.setInstruction(this.#instruction);
        });
      }
    }
    if (policy) this.#showChunks(policy);
    this.#subscriptions.push(
      bus.clock.every(DIAGNOSTICS_PERIOD).subscribe((now) => {
        this.#publisher.diagnostics(now, this.refusals.list, this.counts, this.#execution?.status() ?? null);
      }),
    );
    this.#subscriptions.push(
      bus.clock.jumps.subscribe((by) => {
        if (by < 0n) this.#clear();
      }),
    );
  }

  /** Lets clicks on the bus reach a grounder: the point is a pixel, its frame the camera's optical frame (or its name; empty means the forecast camera). */
  acceptClicks(grounder: ClickGrounder): void {
    this.#listen(this.#options.topics.click, 'geometry_msgs/msg/PointStamped', DEFAULT_QOS, ({ message }) => {
      const { frame_id: frame } = message.header;
      const named = this.#options.cameras.find(({ camera }) => camera === frame)?.camera;
      const camera = frame === '' ? this.#options.forecastCamera : (named ?? this.#frameCameras.get(frame));
      if (camera === undefined) {
        throw new InputError({
          code: 'click.camera',
          message: `a click is in frame "${frame}", which no camera has (there are: ${[...this.#frameCameras.keys()].join(', ') || 'none yet'})`,
          remedy: "put the camera's optical frame into the header of the click",
        });
      }
      grounder.click(camera, [message.point.x, message.point.y]);
    });
  }

  /** The task as it stands now; empty when none has come. */
  get instruction(): string {
    return this.#instruction;
  }

  /** A promise while a forecast or a chunk is being made; nothing when the stages are idle. */
  settle(): Promise<void> | undefined {
    const busy = [this.#running, this.#policy?.settle()].filter((work) => work !== undefined);
    return busy.length === 0 ? undefined : Promise.all(busy).then(() => this.settle());
  }

  /** At the end of a stream: uses what was still waiting for a partner. */
  async flush(): Promise<void> {
    for (const stream of this.#streams.values()) stream.flush();
    await this.settle();
    this.#giveUpWaiting();
    this.#publisher.diagnostics(
      this.#bus.clock.now(),
      this.refusals.list,
      this.counts,
      this.#execution?.status() ?? null,
    );
  }

  async close(): Promise<void> {
    this.#abort.abort();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#waiting = null;
    await this.#policy?.close();
    await this.settle();
    this.#publisher.close();
    this.#results.complete();
  }

  #showChunks(policy: PlanningStage): void {
    this.#subscriptions.push(
      policy.results.subscribe(({ chunk, timings }) => {
        this.counts.chunks++;
        this.latencies.add('planning', timings['total']!);
        this.#publisher.chunk(chunk, this.#armJoints ?? []);
        if (this.#agrees(chunk)) this.#execution?.offer(chunk);
      }),
      policy.failures.subscribe((error) => {
        this.refusals.add('planning', error);
        if (error instanceof PlannerError && WORKER_LOST.has(error.code)) this.#execution?.stop(workerLost(error));
        this.#failures.next(error);
      }),
    );
  }

  /** A chunk that the gate refuses is not executed; everything else is. */
  #agrees(chunk: ActionChunk): boolean {
    try {
      this.#agreement?.compare(chunk);
      return true;
    } catch (error) {
      this.refusals.add('planning', error);
      return false;
    }
  }

  /** A forecast that moves no rigid object gives nothing to compare with. */
  #rememberForecast(forecast: Forecast, joints: JointPositions | null, cameraInBase: Transform | null): void {
    if (!this.#agreement || !joints || !cameraInBase) return;
    try {
      this.#agreement.saw(forecast, joints.positions, cameraInBase);
    } catch (error) {
      this.refusals.add('planning', error);
    }
  }

  /** Null where nobody publishes it; whoever plans is told why. */
  #cameraInBase({ frameId, stamp }: Forecast): Transform | null {
    const base = this.#tf.frames.find((frame) => /link0$/.test(frame));
    try {
      return base === undefined ? null : this.#tf.lookup(base, frameId, stamp);
    } catch (error) {
      if (this.#policy) this.refusals.add('planning', error);
      return null;
    }
  }

  #subscribeCamera(camera: CameraTopics): void {
    const { maxIntervalS, depthScaleM, window } = this.#options;
    this.#windows.set(camera.camera, new ObservationWindow(window));
    const stream = new CameraStream(
      {
        camera: camera.camera,
        hasDepth: camera.depth !== null,
        rectified: camera.rectified,
        depthScaleM,
        maxInterval: fromSeconds(maxIntervalS),
        queueSize: QUEUE_SIZE,
      },
      (frame) => {
        this.#addFrame(frame);
      },
      (error) => {
        this.refusals.add('sensing', error);
      },
    );
    this.#streams.set(camera.camera, stream);
    this.#listen(camera.info, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS, ({ message }) => {
      stream.addInfo(message);
    });
    this.#listen(camera.color.topic, camera.color.type, SENSOR_QOS, ({ message }) => {
      stream.addColor(message);
    });
    if (camera.depth)
      this.#listen(camera.depth.topic, camera.depth.type, SENSOR_QOS, ({ message }) => {
        stream.addDepth(message);
      });
  }

  /** A message that cannot be used is counted with its reason, and the next one is awaited. */
  #listen<T extends MessageType>(
    topic: string,
    type: T,
    qos: Qos,
    handle: (stamped: Stamped<MessageTypes[T]>) => void,
  ): void {
    this.#subscriptions.push(
      this.#bus.subscribe(topic, type, qos).subscribe((stamped) => {
        const start = performance.now();
        try {
          handle(stamped);
        } catch (error) {
          this.refusals.add('sensing', error instanceof PlannerError ? error : unreadable(topic, error));
        }
        this.latencies.add('sensing', performance.now() - start);
      }),
    );
  }

  #addTransforms(message: TFMessage, isStatic: boolean): void {
    for (const step of stampedTransforms(message)) {
      try {
        this.#tf.set(step, isStatic);
        if (!isStatic) this.#execution?.sawTransforms(step.stamp);
        this.counts.transforms++;
      } catch (error) {
        // One bad transform does not spoil the others of its message.
        this.refusals.add('sensing', error);
      }
    }
    this.#tfVersion++;
    this.#tryAgain();
  }

  #addFrame(frame: CameraFrame): void {
    this.counts.frames++;
    this.#frameCameras.set(frame.frameId, frame.camera);
    const windows = this.#windows.get(frame.camera)!;
    windows.add(frame);
    this.#execution?.sawFrame(frame);
    this.#policy?.addFrame(frame, { joints: this.#joints, gripper: this.#gripper, instruction: this.#instruction });
    if (frame.camera !== this.#options.forecastCamera || this.#running) return;
    if (this.#lastForecast !== null && frame.stamp - this.#lastForecast < fromSeconds(this.#options.periodS)) return;
    if (this.#waiting) {
      if (frame.stamp - this.#waiting.stamp <= fromSeconds(this.#options.tfWaitS)) return;
      this.#giveUpWaiting();
    }
    const window = windows.window();
    if (!window) {
      this.counts.incompleteWindows++;
      return;
    }
    this.counts.windows++;
    this.#start({
      stamp: frame.stamp,
      window,
      cameras: this.#windowsNow(),
      joints: this.#joints,
      instruction: this.#instruction,
    });
  }

  #start(moment: Moment): void {
    const known = this.#tfVersion;
    this.#running = this.#plan(moment).finally(() => {
      this.#running = undefined;
      // Transforms that came meanwhile may be the ones it waits for.
      if (this.#tfVersion !== known) this.#tryAgain();
    });
  }

  #tryAgain(): void {
    const waiting = this.#waiting;
    if (!waiting || this.#running) return;
    this.#waiting = null;
    this.#start(waiting);
  }

  /** The transforms did not come in time. */
  #giveUpWaiting(): void {
    if (!this.#waiting?.reason) return;
    this.refusals.add('grounding', this.#waiting.reason);
    this.#failures.next(this.#waiting.reason);
    this.#waiting = null;
  }

  async #plan(moment: Moment): Promise<void> {
    const epoch = this.#epoch;
    let stage: Stage = 'grounding';
    let query: QueryPoints | null = null;
    try {
      const start = performance.now();
      query = await this.#ground(moment);
      if (!query || epoch !== this.#epoch) return;
      this.latencies.add('grounding', performance.now() - start);
      this.counts.queries++;
      this.#lastForecast = query.stamp;
      this.#publisher.query(query);
      if (liftedPoints(query).length === 0) throw nothingLifted(query);
      stage = 'forecasting';
      const request = {
        query,
        instruction: moment.instruction,
        window: moment.window,
        stepS: this.#options.window.stepS,
      };
      const forecast = await this.latencies.time('forecasting', () =>
        this.#forecaster.forecast(request, this.#abort.signal),
      );
      if (epoch !== this.#epoch) return;
      this.counts.forecasts++;
      const cameraInBase = this.#cameraInBase(forecast);
      this.#rememberForecast(forecast, moment.joints, cameraInBase);
      stage = 'visualization';
      const shown = query;
      await this.latencies.time('visualization', () =>
        this.#publisher.forecast(moment.window.at(-1)!, shown, forecast),
      );
      const { stamp, cameras, joints, instruction } = moment;
      this.#results.next({ observation: { stamp, cameras, joints, instruction }, query, forecast, cameraInBase });
    } catch (error) {
      if (error instanceof CancelledError) return;
      if (error instanceof RetryableError && stage === 'grounding') {
        this.#waiting = { ...moment, reason: error };
        return;
      }
      this.refusals.add(stage, error);
      if (query && stage !== 'visualization') this.#publisher.queryAlone(query);
      this.#failures.next(error);
    }
  }

  async #ground({ window, instruction }: Moment): Promise<QueryPoints | null> {
    if (instruction === '') {
      throw new InputError({
        code: 'instruction.empty',
        message: 'there is no instruction yet, or it is empty',
        remedy: `publish it on ${this.#options.topics.instruction}, or give --instruction`,
      });
    }
    const t0 = window.at(-1)!;
    const intoT0 = (frame: CameraFrame): Transform => this.#betweenCameras(frame, t0);
    const lookup = (target: string, source: string, stamp: Nanoseconds): Transform =>
      this.#tf.lookup(target, source, stamp);
    for (const grounder of this.#grounders) {
      const query = await grounder.ground({ window, instruction, intoT0, lookup });
      if (query) return query;
    }
    return null;
  }

  /** Points of an earlier camera pose into that of t0, through the fixed frame. Where nobody publishes transforms the camera stands still. */
  #betweenCameras(from: CameraFrame, to: CameraFrame): Transform {
    if (from.stamp === to.stamp || this.#tf.frames.length === 0) return IDENTITY;
    const fixed = this.#options.fixedFrame ?? this.#tf.rootOf(to.frameId);
    return compose(
      invert(this.#tf.lookup(fixed, to.frameId, to.stamp)),
      this.#tf.lookup(fixed, from.frameId, from.stamp),
    );
  }

  #windowsNow(): ReadonlyMap<string, readonly CameraFrame[]> {
    return new Map(
      [...this.#windows].flatMap(([camera, windows]) => {
        const window = windows.window();
        return window ? [[camera, window] as const] : [];
      }),
    );
  }

  /** After a jump back everything remembered belongs to another run. */
  #clear(): void {
    for (const stream of this.#streams.values()) stream.clear();
    for (const window of this.#windows.values()) window.clear();
    this.#policy?.clear();
    this.#agreement?.clear();
    this.#tf.clear({ keepStatic: true });
    this.#joints = null;
    this.#gripper = null;
    this.#lastForecast = null;
    this.#waiting = null;
    this.#epoch++;
  }
}

/** Errors after which no plan will come soon. */
const WORKER_LOST: ReadonlySet<string> = new Set(['inference.died', 'inference.stopped', 'inference.memory']);

function workerLost({ message, remedy }: PlannerError): Fault {
  return { code: 'worker.lost', message, remedy, reaction: 'brake' };
}

function nothingLifted(query: QueryPoints): InputError {
  return new InputError({
    code: 'grounding.no-point',
    message: `no point of the object could be lifted: ${query.points[0]?.refused ?? 'its mask is empty'}`,
    remedy: 'click another place on the object',
  });
}

function unreadable(topic: string, cause: unknown): InputError {
  return new InputError({
    code: 'message.unreadable',
    message: `a message on ${topic} cannot be read: ${describeError(cause)}`,
    remedy: 'check that its publisher uses the message type of the topic',
    cause,
  });
}
