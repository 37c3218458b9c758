import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeConfig } from '../assembly/config/node-config.js';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, type Bus } from '../bus/bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { MessageTypes } from '../bus/messages.js';
import type { Arm } from '../core/arm.js';
import { fromSeconds, MODEL_STEP_S, toSeconds, toTimeMessage, type Nanoseconds } from '../core/time.js';
import { RGBD_NOISE } from '../simulator/depth-noise.js';
import type { Scene } from '../simulator/scene.js';
import { BASE_FRAME, SimulatedRobot } from '../simulator/simulated-robot.js';
import { Simulation } from '../simulator/simulation.js';
import { judge } from '../simulator/success.js';

export interface RobotOnGraphOptions {
  /** On the graph, with a clock that is moved here. */
  readonly bus: Bus;
  readonly clock: VirtualClock;
  readonly topics: NodeConfig['topics'];
  readonly arm: Arm;
  readonly scene: Scene;
  /** Simulated seconds in a second, as far as the computer is fast enough. */
  readonly rate: number;
  /** Simulated seconds after which it ends; infinite for a robot that stays. */
  readonly timeLimitS: number;
  readonly signal: AbortSignal;
  readonly onSuccess: (atS: number) => void;
}

export interface GraphRunResult {
  readonly success: boolean;
  /** Why the arm refused a command; null where it took all of them. */
  readonly reflex: string | null;
  readonly simulatedS: number;
  readonly wallS: number;
}

/** Of /clock; a node on simulated time makes no finer difference between two instants. */
const CLOCK_STEP = fromSeconds(0.005);
/** The object has to lie where it belongs for so long. */
const SETTLED_S = 0.5;

/**
 * The simulated arm as a robot for others: its cameras, joints and transforms on the graph, simulated time on /clock, and the scene's task as its
 * instruction. Time goes at the given rate, or slower where the computer is.
 */
export async function runRobotOnGraph(options: RobotOnGraphOptions): Promise<GraphRunResult> {
  const { bus, clock, topics, arm, scene } = options;
  const simulation = await Simulation.create(arm, scene);
  const robot = new SimulatedRobot(bus, arm, simulation, {
    topics: { command: topics.command, gripper: topics.gripper, mode: topics.robot_mode },
    periodS: MODEL_STEP_S,
    noise: RGBD_NOISE,
  });
  const time = bus.advertise('/clock', 'rosgraph_msgs/msg/Clock', DEFAULT_QOS);
  const truth = bus.advertise('/tf', 'tf2_msgs/msg/TFMessage', DEFAULT_QOS);
  const tellTime = (now: Nanoseconds): void => {
    time.publish({ clock: toTimeMessage(now) });
  };
  robot.onTick((stamp) => {
    // Before the messages of that moment: to a receiver they would come from the future.
    tellTime(stamp);
    truth.publish({ transforms: [objectTransform(simulation, stamp)] });
  });
  const masks = scene.cameras.map(({ name, width, height }) => ({
    name,
    width,
    height,
    publisher: bus.advertise(maskTopic(name), 'sensor_msgs/msg/Image', SENSOR_QOS),
  }));
  robot.onPictures((stamp) => {
    for (const { name, width, height, publisher } of masks) {
      const mask = publisher.subscriberCount > 0 ? robot.maskOf(scene.task.object, name, stamp) : null;
      if (!mask) continue;
      const header = { stamp: toTimeMessage(stamp), frame_id: name };
      publisher.publish({ header, width, height, encoding: 'mono8', is_bigendian: 0, step: width, data: mask.data });
    }
  });
  bus.advertise(topics.instruction, 'std_msgs/msg/String', LATCHED_QOS).publish({ data: scene.task.instruction });
  try {
    return await run(options, simulation, robot, () => {
      tellTime(clock.now());
    });
  } finally {
    robot.close();
    simulation.close();
  }
}

async function run(
  { clock, rate, timeLimitS, signal, onSuccess }: RobotOnGraphOptions,
  simulation: Simulation,
  robot: SimulatedRobot,
  tellTime: () => void,
): Promise<GraphRunResult> {
  const start = clock.now();
  const began = performance.now();
  let since: number | null = null;
  let success = false;
  let simulatedS = 0;
  while (!signal.aborted && simulatedS < timeLimitS) {
    clock.advanceTo(clock.now() + CLOCK_STEP);
    simulatedS = toSeconds(clock.now() - start);
    tellTime();
    since = judge(simulation).success ? (since ?? simulatedS) : null;
    const isSettled = since !== null && simulatedS - since >= SETTLED_S;
    if (isSettled && !success) onSuccess(simulatedS);
    success = isSettled;
    if (Number.isFinite(timeLimitS) && (success || robot.reflex !== null)) break;
    // Also where time is behind: messages come in between two steps.
    await sleep(Math.max(0, (simulatedS / rate) * 1000 - (performance.now() - began)));
  }
  return { success, reflex: robot.reflex, simulatedS, wallS: (performance.now() - began) / 1000 };
}

/** The true pose of the task's object, for whoever scores: the frame `task_object`. */
function objectTransform(
  simulation: Simulation,
  stamp: Nanoseconds,
): MessageTypes['tf2_msgs/msg/TFMessage']['transforms'][number] {
  const { translation, rotation } = simulation.poseOf(simulation.scene.task.object);
  return {
    header: { stamp: toTimeMessage(stamp), frame_id: BASE_FRAME },
    child_frame_id: OBJECT_FRAME,
    transform: {
      translation: { x: translation[0], y: translation[1], z: translation[2] },
      rotation: { x: rotation[0], y: rotation[1], z: rotation[2], w: rotation[3] },
    },
  };
}

/** Where a camera of the simulated robot shows the task's object, for whoever scores. Not a topic that a camera would be found by. */
export function maskTopic(camera: string): string {
  return `/simulation/${camera}/object_mask`;
}

/** What the task's object is called in the transform tree of the simulated robot. */
export const OBJECT_FRAME = 'task_object';
