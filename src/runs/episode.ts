import { rm } from 'node:fs/promises';
import { assemble } from '../assembly/assemble.js';
import type { Assembly } from '../assembly/assembly.js';
import type { NodeConfig } from '../assembly/config/node-config.js';
import type { ModelSource } from '../assembly/model-source.js';
import { LATCHED_QOS } from '../bus/bus.js';
import { MemoryBus } from '../bus/memory/memory-bus.js';
import { RealClock } from '../bus/memory/real-clock.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import { CancelledError, ConfigurationError } from '../core/errors.js';
import { fromSeconds, MODEL_STEP_S } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import type { EpisodeResult } from '../evaluation/episodes.js';
import { loadArm } from '../files/arm-file.js';
import { RGBD_NOISE } from '../simulator/depth-noise.js';
import { MotionHistory } from '../simulator/motion-history.js';
import { drawScene } from '../simulator/draw-scene.js';
import type { SceneConfig } from '../simulator/scene-config.js';
import { SimulatedRobot } from '../simulator/simulated-robot.js';
import { Simulation } from '../simulator/simulation.js';
import { judge } from '../simulator/success.js';
import { withTask } from '../simulator/task.js';
import { EpisodeObserver, notBegun } from './episode-result.js';
import type { RunningEpisode } from './running-episode.js';
import { ImpossibleTaskError, simulatedWorld } from './simulated-world.js';

export interface EpisodeOptions {
  /** Of the stages. Its seed is added to the scene's, and its instruction takes the place of the scene's task: it names an object and a receptacle. */
  readonly config: NodeConfig;
  readonly models: ModelSource;
  readonly scenes: SceneConfig;
  /** Of the scene and of everything that is drawn. */
  readonly seed: number;
  readonly timeLimitS: number;
  /** The cameras' published poses are off by this, metres in the base's frame. */
  readonly calibrationErrorM?: Vector3;
  /** Whether the recording that the configuration asks for stays when the episode succeeds. */
  readonly keepRecording: 'always' | 'failed';
  /** Looks at the episode while it goes on. */
  readonly watch?: (episode: RunningEpisode) => void;
  /** Virtual time goes as fast as the computer; real time is for looking on. */
  readonly clock: 'virtual' | 'real';
  readonly signal?: AbortSignal;
}

/** Virtual episodes begin here: stamps look like those of a robot. */
const VIRTUAL_START = fromSeconds(1_700_000_000);
/** In which an object comes to rest. */
const SETTLING_TICKS = 10;
/** The arm that is simulated. */
const SIMULATED_ARM = 'fr3';

/**
 * One episode: the node's stages see, forecast, plan and move the simulated robot over the bus, and physics judges what comes of it. The same options
 * give the same episode under a virtual clock.
 * @throws ConfigurationError `task.unknown`, `scene.*`, `episode.arm` and those of `assemble`, InputError `simulation.*`, OutputError, CancelledError.
 */
export async function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  const { scenes, seed } = options;
  const config: NodeConfig = { ...options.config, seed: options.config.seed + seed };
  const { text } = config.instruction;
  const drawn = drawScene(scenes, seed);
  const scene = text === null ? drawn : withTask(drawn, text);
  const arm = await loadArm(config.arm.model);
  if (arm.name !== SIMULATED_ARM) throw otherArm(arm.name);
  // One of an earlier run would stand for this one.
  if (config.recording.file !== null) await rm(config.recording.file, { force: true });
  const simulation = await Simulation.create(arm, scene);
  const clock = options.clock === 'virtual' ? new VirtualClock(VIRTUAL_START) : new RealClock();
  const bus = new MemoryBus<VirtualClock | RealClock>(clock);
  try {
    const camera = scene.cameras.find(({ mount }) => mount === 'base') ?? scene.cameras[0]!;
    const robot = new SimulatedRobot(bus, arm, simulation, {
      topics: { command: config.topics.command, gripper: config.topics.gripper, mode: config.topics.robot_mode },
      periodS: MODEL_STEP_S,
      noise: RGBD_NOISE,
      ...(options.calibrationErrorM && { calibrationErrorM: options.calibrationErrorM }),
    });
    const history = new MotionHistory(fromSeconds(MODEL_STEP_S));
    const now = (): { object: ReturnType<Simulation['poseOf']>; camera: ReturnType<Simulation['cameraPose']> } => ({
      object: simulation.poseOf(scene.task.object),
      camera: simulation.cameraPose(camera),
    });
    robot.onTick((stamp) => {
      const poses = now();
      history.add(stamp, poses.object, poses.camera);
    });
    const operator = bus.advertise(config.topics.instruction, 'std_msgs/msg/String', LATCHED_QOS);
    try {
      const assembly = await assemble(
        config,
        simulatedWorld(bus, { arm, simulation, robot, models: options.models, now }),
      );
      operator.publish({ data: scene.task.instruction });
      return await play(options, { scene, bus, assembly }, simulation, robot, history);
    } catch (error) {
      if (error instanceof ImpossibleTaskError) return notBegun(scenes, seed, scene, error);
      throw error;
    } finally {
      robot.close();
    }
  } finally {
    // Before the simulation: its timers would go on.
    await bus.close();
    simulation.close();
  }
}

async function play(
  options: EpisodeOptions,
  episode: RunningEpisode,
  simulation: Simulation,
  robot: SimulatedRobot,
  history: MotionHistory,
): Promise<EpisodeResult> {
  const { assembly } = episode;
  const began = performance.now();
  let keepRecording = false;
  try {
    const observer = new EpisodeObserver(episode, simulation, robot, history);
    options.watch?.(episode);
    const ticks = await playToTheEnd(options, episode, simulation, robot, observer);
    if (options.signal?.aborted) throw new CancelledError('the episode');
    const result = observer.result(options.scenes, options.seed, ticks, (performance.now() - began) / 1000);
    keepRecording = options.keepRecording === 'always' || !result.success;
    return result;
  } finally {
    await assembly.close({ keepRecording });
  }
}

/** @returns ticks that were played. */
async function playToTheEnd(
  { timeLimitS, signal }: EpisodeOptions,
  { bus, assembly }: RunningEpisode,
  simulation: Simulation,
  robot: SimulatedRobot,
  observer: EpisodeObserver,
): Promise<number> {
  const isOver = (): boolean => {
    if (robot.reflex !== null || assembly.status?.phase === 'stopped') return true;
    return assembly.isDone ?? judge(simulation).success;
  };
  const start = bus.clock.now();
  let over = 0;
  for (let tick = 1; ; tick++) {
    await pass(bus.clock, start + BigInt(tick) * fromSeconds(MODEL_STEP_S), assembly);
    if (assembly.status?.phase === 'idle') {
      const { success, message } = await bus.call(assembly.config.topics.start, 'std_srvs/srv/Trigger', {});
      observer.startRefused = success ? null : message;
    }
    over = isOver() ? over + 1 : 0;
    if (over > SETTLING_TICKS || tick * MODEL_STEP_S >= timeLimitS || signal?.aborted) return tick;
  }
}

/** One period later, with everything done that it brought. */
async function pass(clock: MemoryBus['clock'], due: bigint, assembly: Assembly): Promise<void> {
  if (clock instanceof RealClock) {
    await clock.sleepUntil(due);
    return;
  }
  if (clock instanceof VirtualClock) clock.advanceTo(due);
  await assembly.settle();
  // Lets in what does not come over the bus: a cancellation.
  await new Promise((resolve) => setImmediate(resolve));
}

function otherArm(name: string): ConfigurationError {
  return new ConfigurationError({
    code: 'episode.arm',
    message: `the simulator has an ${SIMULATED_ARM}, not a ${name}`,
    remedy: `set arm.model to ${SIMULATED_ARM}`,
  });
}
