import { LATCHED_QOS } from '../bus/bus.js';
import { MemoryBus } from '../bus/memory/memory-bus.js';
import { RealClock } from '../bus/memory/real-clock.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import { rm } from 'node:fs/promises';
import type { Clock } from '../bus/clock.js';
import type { Arm } from '../core/arm.js';
import { CancelledError, InputError, PlannerError } from '../core/errors.js';
import { FRANKA_HAND } from '../core/gripper.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { countBy, type EpisodeResult } from '../evaluation/episodes.js';
import { pointMotionMetrics, type ScoredPrediction } from '../evaluation/metrics.js';
import { checkLatency, type QueueOptions } from '../execution/chunk-queue.js';
import { prepareLimits } from '../execution/limiter.js';
import { isClosing } from '../execution/reference-command.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import type { Forecast } from '../core/forecast.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import type { Transform } from '../geometry/transform.js';
import { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import { HeldObjectGrounder } from '../grounding/held-object-grounder.js';
import { POINT_COUNT } from '../grounding/lift-points.js';
import { RigidMotionPlanner } from '../planning/rigid-planner.js';
import { Recorder } from '../recordings/recorder.js';
import { MILLIMETRES } from '../sensing/depth-image.js';
import { RGBD_NOISE } from '../simulator/depth-noise.js';
import { MaskGrounder } from '../simulator/mask-grounder.js';
import { MotionHistory } from '../simulator/motion-history.js';
import { drawScene } from '../simulator/draw-scene.js';
import type { Scene, SceneCamera } from '../simulator/scene.js';
import type { SceneConfig } from '../simulator/scene-config.js';
import { unseenIn } from '../simulator/unseen.js';
import { BASE_FRAME, HAND_FRAME, SimulatedRobot } from '../simulator/simulated-robot.js';
import { Simulation } from '../simulator/simulation.js';
import { judge } from '../simulator/success.js';
import { withTask } from '../simulator/task.js';
import { findCameras, type CameraTopics } from './camera-topics.js';
import { ExecutionStage } from './execution-stage.js';
import { policyStage, type OpenPolicy } from './open-policy.js';
import { DEFAULT_INPUT_TOPICS, MAX_INTERVAL_S, MODEL_STEP_S, OUTPUT_TOPICS, SERVICES } from './planner-options.js';
import { Planner } from './planner.js';
import type { PlanningStage } from './policy-stage.js';
import { recordOutputs, recordRobot } from './recorded-topics.js';
import { RigidStage } from './rigid-stage.js';
import { scoreForecast } from './truth.js';

/** What a forecaster may know of the episode that it is made for. Only one that plays the truth looks at it. */
export interface EpisodeTruth {
  readonly scene: Scene;
  /** True poses, as they are when a forecast is asked for. */
  readonly now: () => { readonly object: Transform; readonly camera: Transform };
}

/** Everything of a running episode, for whoever shows it. */
export interface EpisodeParts {
  readonly scene: Scene;
  readonly bus: MemoryBus;
  readonly planner: Planner;
  readonly execution: ExecutionStage;
  readonly forecastCamera: string;
  /** As far as the robot knows. */
  readonly isHolding: () => boolean;
}

export interface ClosedLoopOptions {
  readonly arm: Arm;
  readonly config: SceneConfig;
  readonly seed: number;
  /** In place of the task that comes with the scene; it names an object and a receptacle. */
  readonly instruction?: string;
  readonly forecaster: (truth: EpisodeTruth) => Promise<Forecaster>;
  /** The rigid-motion planner, or a policy. */
  readonly planner: 'rigid' | OpenPolicy;
  /** A pixel of the forecast camera's first picture on the object; the simulator's mask of the named object where it is left out. */
  readonly click?: Pixel;
  readonly mode: QueueOptions['mode'];
  /** Seconds after its observation that a chunk is taken to come; the virtual clock stands still while it is made. */
  readonly latencyS: number;
  readonly timeLimitS: number;
  /** The cameras' published poses are off by this, metres in the base's frame. */
  readonly calibrationErrorM?: Vector3;
  /** An MCAP of everything on the bus. */
  readonly record?: { readonly file: string; readonly keep: 'always' | 'failed' };
  /** Looks at the episode while it goes on. */
  readonly watch?: (parts: EpisodeParts) => void;
  /** Virtual time goes as fast as the computer; real time is for looking on. */
  readonly clock: 'virtual' | 'real';
  readonly signal?: AbortSignal;
}

/** Virtual episodes begin here: stamps look like those of a robot. */
const VIRTUAL_START = fromSeconds(1_700_000_000);
/** A forecast for every chunk, a little early: stamps of pictures are whole periods. */
const FORECAST_PERIOD_S = 7.5 * MODEL_STEP_S;
const HORIZON = 16;
const EXECUTED_STEPS = 8;
/** Executed steps for which the gripper has to be told to close before it holds. */
const CLOSING_TICKS = 6;
/** In which an object comes to rest. */
const SETTLING_TICKS = 10;
/** While a forecast is waited for, the arm stands. */
const CHUNK_AGE_S = 4;
const TF_WAIT_S = 0.2;
/**
 * Rendered pictures have no noise of a sensor: where nothing moves, one is like the other. In real time the robot is silent while the stages compute,
 * with which it shares a thread.
 */
const MAX_AGE_S = {
  virtual: { images: 0.5, joints: 0.3, transforms: 0.5, samePicture: Number.POSITIVE_INFINITY },
  real: { images: 1, joints: 1, transforms: 1, samePicture: Number.POSITIVE_INFINITY },
};

/**
 * One episode: the node's stages see, forecast, plan and move the simulated robot over the bus, and physics judges what comes of it. The same options
 * give the same episode under a virtual clock.
 * @throws ConfigurationError `task.unknown`, `scene.*`, `policy.camera`, InputError `simulation.*`, OutputError, CancelledError.
 */
export async function runEpisode(options: ClosedLoopOptions): Promise<EpisodeResult> {
  const drawn = drawScene(options.config, options.seed);
  const scene = options.instruction === undefined ? drawn : withTask(drawn, options.instruction);
  // One of an earlier run would stand for this one.
  if (options.record) await rm(options.record.file, { force: true });
  const simulation = await Simulation.create(options.arm, scene);
  try {
    const camera = scene.cameras.find(({ mount }) => mount === 'base') ?? scene.cameras[0]!;
    const now = (): ReturnType<EpisodeTruth['now']> => ({
      object: simulation.poseOf(scene.task.object),
      camera: simulation.cameraPose(camera),
    });
    let forecaster: Forecaster;
    try {
      forecaster = await options.forecaster({ scene, now });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return notBegun(options, scene, error);
    }
    const clock = options.clock === 'virtual' ? new VirtualClock(VIRTUAL_START) : new RealClock();
    const bus = new MemoryBus<Clock & { close(): void }>(clock);
    try {
      return await new Loop(options, simulation, camera, forecaster, bus, clock).run();
    } finally {
      // Before the simulation: its timers would go on.
      await bus.close();
    }
  } finally {
    simulation.close();
  }
}

class Loop {
  readonly #options: ClosedLoopOptions;
  readonly #simulation: Simulation;
  readonly #clock: VirtualClock | RealClock;
  readonly #start: Nanoseconds;
  readonly #bus: MemoryBus;
  readonly #robot: SimulatedRobot;
  readonly #execution: ExecutionStage;
  readonly #rigid: RigidMotionPlanner | null;
  readonly #planner: Planner;
  readonly #history = new MotionHistory(fromSeconds(MODEL_STEP_S));
  /** Forecasts that were made while the object was held. */
  readonly #forecasts: Forecast[] = [];
  readonly #latencies: number[] = [];
  #closing = 0;
  /** When the gripper had closed, as far as the robot knows. */
  #heldSince: Nanoseconds | null = null;
  #lastFailure: unknown = null;
  /** Why the arm was not started. */
  #startRefused: string | null = null;

  constructor(
    options: ClosedLoopOptions,
    simulation: Simulation,
    camera: SceneCamera,
    forecaster: Forecaster,
    bus: MemoryBus,
    clock: VirtualClock | RealClock,
  ) {
    this.#options = options;
    this.#simulation = simulation;
    this.#bus = bus;
    this.#clock = clock;
    this.#start = clock.now();
    const { arm, calibrationErrorM } = options;
    this.#robot = new SimulatedRobot(bus, arm, simulation, {
      topics: { command: OUTPUT_TOPICS.command, gripper: OUTPUT_TOPICS.gripper, mode: DEFAULT_INPUT_TOPICS.robotMode },
      periodS: MODEL_STEP_S,
      noise: RGBD_NOISE,
      ...(calibrationErrorM && { calibrationErrorM }),
    });
    this.#robot.onTick((stamp) => {
      this.#history.add(stamp, simulation.poseOf(simulation.scene.task.object), simulation.cameraPose(camera));
    });
    const cameras = findCameras(bus.topics);
    this.#execution = this.#makeExecution(cameras);
    this.#rigid = options.planner === 'rigid' ? makeRigid(arm, options.latencyS) : null;
    const stage = this.#makeStage(camera, cameras);
    this.#planner = new Planner(
      bus,
      {
        cameras,
        forecastCamera: camera.name,
        window: { frames: forecaster.historySize, stepS: MODEL_STEP_S },
        periodS: FORECAST_PERIOD_S,
        topics: DEFAULT_INPUT_TOPICS,
        maxIntervalS: MAX_INTERVAL_S,
        tfWaitS: TF_WAIT_S,
        depthScaleM: MILLIMETRES,
      },
      [this.#makeGrounder(camera)],
      forecaster,
      stage,
      this.#execution,
    );
    this.#connect(stage);
    // As an operator says it.
    bus
      .advertise(DEFAULT_INPUT_TOPICS.instruction, 'std_msgs/msg/String', LATCHED_QOS)
      .publish({ data: simulation.scene.task.instruction });
    options.watch?.({
      scene: simulation.scene,
      bus,
      planner: this.#planner,
      execution: this.#execution,
      forecastCamera: camera.name,
      isHolding: () => this.#heldSince !== null,
    });
  }

  async run(): Promise<EpisodeResult> {
    const began = performance.now();
    const { record, signal } = this.#options;
    let recorder: Recorder | null = null;
    try {
      if (record) {
        const robot = this.#bus.topics.filter(({ topic }) => !OUTPUTS.has(topic));
        recorder = await Recorder.create(this.#bus, record.file, 'zstd');
        recordRobot(recorder, robot);
        recordOutputs(recorder);
      }
      const ticks = await this.#play(recorder);
      if (signal?.aborted) throw new CancelledError('the episode');
      const result = this.#result(ticks, (performance.now() - began) / 1000);
      if (record?.keep === 'failed' && result.success) await recorder?.abort();
      else await recorder?.commit();
      return result;
    } catch (error) {
      await recorder?.abort();
      throw error;
    } finally {
      await this.#planner.close();
      this.#execution.close();
      this.#robot.close();
    }
  }

  /** @returns ticks that were played. */
  async #play(recorder: Recorder | null): Promise<number> {
    const { timeLimitS, signal } = this.#options;
    let over = 0;
    for (let tick = 1; ; tick++) {
      await this.#pass(tick);
      await recorder?.settle();
      if (this.#execution.phase === 'idle') {
        const { success, message } = await this.#bus.call(SERVICES.start, 'std_srvs/srv/Trigger', {});
        this.#startRefused = success ? null : message;
      }
      over = this.#isOver() ? over + 1 : 0;
      if (over > SETTLING_TICKS || tick * MODEL_STEP_S >= timeLimitS || signal?.aborted) return tick;
    }
  }

  /** One period later, with everything done that it brought. */
  async #pass(tick: number): Promise<void> {
    const due = this.#start + BigInt(tick) * fromSeconds(MODEL_STEP_S);
    if (this.#clock instanceof RealClock) {
      await this.#clock.sleepUntil(due);
      return;
    }
    this.#clock.advanceTo(due);
    await this.#planner.settle();
    // Lets in what does not come over the bus: a cancellation.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #isOver(): boolean {
    if (this.#robot.reflex !== null || this.#execution.phase === 'stopped') return true;
    return this.#rigid ? this.#rigid.isDone : judge(this.#simulation).success;
  }

  #makeExecution(cameras: readonly CameraTopics[]): ExecutionStage {
    const { arm, mode, latencyS, planner } = this.#options;
    const input = planner === 'rigid' ? null : planner.input;
    const queue: QueueOptions = { mode, executedSteps: input?.executedSteps ?? EXECUTED_STEPS };
    const horizon = planner === 'rigid' ? HORIZON : planner.policy.network.horizon;
    const periodS = planner === 'rigid' ? MODEL_STEP_S : planner.policy.network.stepS;
    checkLatency(queue, horizon, periodS, latencyS);
    return new ExecutionStage(this.#bus, {
      arm,
      limiter: { periodS },
      queue,
      gripper: { convention: input?.gripper ?? FRANKA_HAND },
      relativeActions: input?.actions === 'joint_pos_rel',
      dryRun: false,
      latencyS,
      ...(this.#clock instanceof VirtualClock && { simulatedLatencyS: () => latencyS }),
      cameras: cameras.map(({ camera }) => camera),
      maxAgeS: { ...MAX_AGE_S[this.#options.clock], chunk: CHUNK_AGE_S + latencyS },
      movingModes: ['move'],
      topics: DEFAULT_INPUT_TOPICS,
      monotonicS: () => toSeconds(this.#clock.now() - this.#start),
    });
  }

  #makeStage(camera: SceneCamera, cameras: readonly CameraTopics[]): PlanningStage {
    const { planner, seed } = this.#options;
    const isWanted = (): boolean => this.#execution.wantsChunk();
    if (planner !== 'rigid') return policyStage(planner, cameras, { periodS: 0, seed, isWanted }, () => false);
    return new RigidStage(this.#rigid!, { camera: camera.name, gripper: FRANKA_HAND, isWanted });
  }

  #makeGrounder(camera: SceneCamera): HeldObjectGrounder {
    const { click, seed } = this.#options;
    const lifting = { points: POINT_COUNT, seed };
    const { scene } = this.#simulation;
    const clicks = new ClickGrounder(lifting);
    const masks = new MaskGrounder(
      (text, frame) => this.#robot.maskOf(withTask(scene, text).task.object, frame.camera, frame.stamp),
      lifting,
    );
    // The same place is asked for again until the object is in the hand: it may have been missed.
    const atClick: Grounder = {
      name: clicks.name,
      ground: (request) => {
        clicks.click(camera.name, click!);
        return clicks.ground(request);
      },
    };
    return new HeldObjectGrounder(click ? atClick : masks, {
      heldSince: () => this.#heldSince,
      handFrame: HAND_FRAME,
      fixedFrame: BASE_FRAME,
    });
  }

  #connect(stage: PlanningStage): void {
    stage.results.subscribe(({ timings }) => this.#latencies.push(timings['total']!));
    this.#execution.commands.subscribe((command) => {
      if (stage instanceof RigidStage) stage.sawCommand(command);
      if (!command.step) return;
      this.#closing = isClosing(command.step.action.at(-1)!) ? this.#closing + 1 : 0;
      if (this.#closing === CLOSING_TICKS) this.#heldSince = command.stamp;
      else if (this.#closing === 0) this.#heldSince = null;
    });
    this.#planner.results.subscribe((result) => {
      if (stage instanceof RigidStage) stage.sawForecast(result);
      if (this.#heldSince !== null) this.#forecasts.push(result.forecast);
    });
    this.#planner.failures.subscribe((error) => (this.#lastFailure = error));
    // A start begins from where the arm is measured.
    this.#execution.starts.subscribe(() => {
      stage.clear();
    });
  }

  #result(ticks: number, wallS: number): EpisodeResult {
    const { config, seed } = this.#options;
    const { scene } = this.#simulation;
    const { commands, holds, limited, stops } = this.#execution.figures();
    const outcome = judge(this.#simulation);
    const refusals = this.#planner.refusals.list;
    return {
      seed,
      instruction: scene.task.instruction,
      success: outcome.success,
      failure: outcome.failure === null ? null : this.#whyNot(outcome.failure),
      unseen: unseenIn(config, scene),
      simulated_s: ticks * MODEL_STEP_S,
      wall_s: wallS,
      spent_ms: this.#spent(),
      forecasts: this.#planner.counts.forecasts,
      forecast_error_m: this.#forecastError(),
      chunk_latencies_ms: this.#latencies.map((ms) => Math.round(ms * 1000) / 1000),
      moved_m: this.#moved(),
      commands,
      holds,
      limited: countBy(limited),
      stops: stops.map(({ at, code, message }) => ({ at_s: toSeconds(at - this.#start), code, message })),
      refusals: refusals.map(({ stage, code, count, message }) => ({ stage, code, count, message })),
    };
  }

  /** What went wrong first on the way to this end. */
  #whyNot(end: 'held' | 'outside' | 'moving'): { readonly code: string; readonly message: string } {
    if (this.#robot.reflex !== null) return { code: 'robot.reflex', message: this.#robot.reflex };
    if (this.#startRefused !== null) return { code: 'start.refused', message: this.#startRefused };
    const stop = this.#execution.status().lastStop;
    // A plan that does not come stops the arm; why it did not come says more.
    const failure = this.#lastFailure;
    if (stop?.code === 'stale.chunk' && failure instanceof PlannerError)
      return { code: failure.code, message: failure.message };
    if (stop) return { code: stop.code, message: stop.message };
    return { code: `object.${end}`, message: ENDS[end] };
  }

  #moved(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#simulation.scene.objects.map(({ name, label, position: [x, y] }) => {
        const at = this.#simulation.poseOf(name).translation;
        return [label, Math.hypot(at[0] - x, at[1] - y)];
      }),
    );
  }

  #spent(): Readonly<Record<string, number>> {
    const stages = Object.entries(this.#planner.latencies.summary()).filter(([name]) => name !== 'sensing');
    return {
      ...this.#robot.spentMs,
      // What is called sensing contains the planning that a picture sets off.
      ...Object.fromEntries(stages.map(([name, { total }]) => [name, total])),
    };
  }

  #forecastError(): EpisodeResult['forecast_error_m'] {
    const scores = this.#forecasts.flatMap((forecast): ScoredPrediction[] => {
      const score = scoreForecast(forecast, this.#history.futureOf(forecast));
      return score ? [score] : [];
    });
    const { ADE, FDE } = pointMotionMetrics(scores, 'released');
    return ADE === null || FDE === null ? null : { ADE, FDE, forecasts: scores.length };
  }
}

const OUTPUTS: ReadonlySet<string> = new Set<string>(Object.values(OUTPUT_TOPICS));

const ENDS = {
  held: 'the gripper has not let go of the object',
  outside: 'the object is not in its receptacle',
  moving: 'the object has not come to rest',
} as const;

/** There is no future to be played: the expert cannot do this task. */
function notBegun({ config, seed }: ClosedLoopOptions, scene: Scene, error: InputError): EpisodeResult {
  return {
    seed,
    instruction: scene.task.instruction,
    success: false,
    failure: { code: 'forecaster.none', message: error.message },
    unseen: unseenIn(config, scene),
    simulated_s: 0,
    wall_s: 0,
    spent_ms: {},
    forecasts: 0,
    forecast_error_m: null,
    chunk_latencies_ms: [],
    moved_m: {},
    commands: 0,
    holds: 0,
    limited: {},
    stops: [],
    refusals: [],
  };
}

function makeRigid(arm: Arm, latencyS: number): RigidMotionPlanner {
  return new RigidMotionPlanner({
    arm,
    limits: prepareLimits(arm, { periodS: MODEL_STEP_S }),
    tool: FRANKA_HAND_TCP,
    horizon: HORIZON,
    gripper: FRANKA_HAND,
    leadSteps: Math.ceil(latencyS / MODEL_STEP_S),
  });
}
