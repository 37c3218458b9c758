import type { ModelSource } from '../assembly/model-source.js';
import type { World } from '../assembly/world.js';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS, type Qos } from '../bus/bus.js';
import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import { VirtualClock as Virtual } from '../bus/memory/virtual-clock.js';
import type { RealClock } from '../bus/memory/real-clock.js';
import type { MessageType } from '../bus/messages.js';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import { MODEL_STEP_S, toSeconds } from '../core/time.js';
import type { Transform } from '../geometry/transform.js';
import { ExpertForecaster, expertMotion } from '../simulator/expert-forecaster.js';
import type { SimulatedRobot } from '../simulator/simulated-robot.js';
import type { Simulation } from '../simulator/simulation.js';
import { withTask } from '../simulator/task.js';

/** The scripted expert cannot do the task of a scene, so there is no future to be told. */
export class ImpossibleTaskError extends InputError {}

export interface SimulatedWorldOptions {
  readonly arm: Arm;
  readonly simulation: Simulation;
  readonly robot: SimulatedRobot;
  readonly models: ModelSource;
  /** True poses as they are now, of the object of the task and of the camera that forecasts start from. */
  readonly now: () => { readonly object: Transform; readonly camera: Transform };
}

/** The simulated robot as the stages see it, with the truth beside it. Everything that publishes on the bus has been opened. */
export function simulatedWorld(
  bus: MemoryBus<VirtualClock | RealClock>,
  { arm, simulation, robot, models, now }: SimulatedWorldOptions,
): World {
  const { scene } = simulation;
  const start = bus.clock.now();
  return {
    bus,
    monotonicS: () => toSeconds(bus.clock.now() - start),
    topics: bus.topics.map(({ topic, type }) => ({ topic, type, qos: qosOf(topic, type) })),
    models,
    isCommanded: true,
    // A virtual clock stands still while a chunk is made; a real one tells what it took.
    ...(bus.clock instanceof Virtual && { chunkDelayS: (latencyS: number) => latencyS }),
    tracks: null,
    clip: null,
    truth: {
      forecaster: async ({ steps, historySize }) =>
        new ExpertForecaster(await motionOf(arm, simulation), now, { horizon: steps, historySize }),
      maskOf: (instruction, frame) => robot.maskOf(withTask(scene, instruction).task.object, frame.camera, frame.stamp),
    },
  };
}

async function motionOf(arm: Arm, { scene }: Simulation): Promise<readonly Transform[]> {
  try {
    return await expertMotion(arm, scene, MODEL_STEP_S);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    const { code, message, remedy } = cause;
    throw new ImpossibleTaskError({ code, message, remedy, cause });
  }
}

/** As drivers publish: pictures best-effort, what does not change latched. */
function qosOf(topic: string, type: MessageType): Qos {
  if (topic.endsWith('/tf_static')) return STATIC_TF_QOS;
  if (type === 'std_msgs/msg/String') return LATCHED_QOS;
  return type === 'sensor_msgs/msg/Image' || type === 'sensor_msgs/msg/CameraInfo' ? SENSOR_QOS : DEFAULT_QOS;
}
