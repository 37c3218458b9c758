import { pinholeInfo } from '../../src/recordings/pinhole-info.js';
import type { RecordedMessage, Recording } from '../../src/recordings/recording.js';
import type { RecordedCommands } from '../../src/core/action-chunk.js';
import type { ModelSource } from '../../src/assembly/model-source.js';
import { InputError } from '../../src/core/errors.js';
import { ROBOTIQ_2F85 } from '../../src/core/gripper.js';
import type { RgbImage } from '../../src/core/images.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../../src/core/time.js';
import {
  ActionExpertPolicy,
  type NetworkActions,
  type PolicyNetwork,
} from '../../src/planning/action-expert-policy.js';

/** An arm that swings slowly, seen by two cameras, and a policy that knows what it was told. */

export const STEP_S = 1 / 15;
export const CAMERAS = ['exo', 'wrist'] as const;
const START: Nanoseconds = 1_000_000_000n;
const HOME = [0, -0.7, 0, -2.3, 0, 1.57, 0];
const NAMES = HOME.map((_, j) => `fr3_joint${j + 1}`);
const DRIVER = 'gripper/left_driver_joint';

/** Command at step k: within every limit of the arm. */
export function commandOf(k: number): readonly number[] {
  return [...HOME.map((q, j) => q + 0.15 * Math.sin(0.08 * k + j)), k % 20 < 10 ? 0 : 255];
}

const measuredAt = (k: number): readonly number[] => commandOf(k - 1).slice(0, -1);

export function madeRecording(steps = 60): Recording {
  const stamp = (k: number): Nanoseconds => START + fromSeconds(k * STEP_S);
  const topics = [
    ...CAMERAS.flatMap((camera) => [
      { topic: `/${camera}/color/image_raw`, type: 'sensor_msgs/msg/Image' },
      { topic: `/${camera}/color/camera_info`, type: 'sensor_msgs/msg/CameraInfo' },
    ]),
    { topic: '/joint_states', type: 'sensor_msgs/msg/JointState' },
    { topic: '/tf', type: 'tf2_msgs/msg/TFMessage' },
    { topic: '/instruction', type: 'std_msgs/msg/String' },
  ];
  const commands: RecordedCommands = {
    stepS: STEP_S,
    stamps: Array.from({ length: steps }, (_, k) => stamp(k)),
    actions: Array.from({ length: steps }, (_, k) => commandOf(k)),
  };
  // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous
  async function* messages(): AsyncGenerator<RecordedMessage> {
    yield {
      topic: '/instruction',
      type: 'std_msgs/msg/String',
      logTime: START,
      publishTime: START,
      content: { data: 'swing' },
    };
    for (let k = 0; k < steps; k++) {
      const time = { logTime: stamp(k), publishTime: stamp(k) };
      const header = (frame: string): { stamp: { sec: number; nanosec: number }; frame_id: string } => ({
        stamp: toTimeMessage(stamp(k)),
        frame_id: frame,
      });
      yield {
        topic: '/tf',
        type: 'tf2_msgs/msg/TFMessage',
        ...time,
        content: {
          transforms: [
            {
              header: header('fr3_link0'),
              child_frame_id: 'wrist',
              transform: { translation: { x: 0, y: 0, z: 1 }, rotation: { x: 0, y: 0, z: 0, w: 1 } },
            },
          ],
        },
      };
      yield {
        topic: '/joint_states',
        type: 'sensor_msgs/msg/JointState',
        ...time,
        content: {
          header: header(''),
          name: [...NAMES, DRIVER],
          position: [...measuredAt(k), 0.1],
          velocity: [],
          effort: [],
        },
      };
      for (const camera of CAMERAS) {
        const [width, height] = [8, 6];
        yield {
          topic: `/${camera}/color/camera_info`,
          type: 'sensor_msgs/msg/CameraInfo',
          ...time,
          content: pinholeInfo({ width, height, fx: 8, fy: 8, cx: 3.5, cy: 2.5 }, header(camera)),
        };
        yield {
          topic: `/${camera}/color/image_raw`,
          type: 'sensor_msgs/msg/Image',
          ...time,
          content: {
            header: header(camera),
            width,
            height,
            encoding: 'rgb8',
            is_bigendian: 0,
            step: width * 3,
            // The first pixel tells the step.
            data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i === 0 ? k : i)),
          },
        };
      }
    }
  }
  return {
    kind: 'mcap',
    path: 'made up',
    topics: topics.map((topic) => ({ ...topic, count: steps, usable: true })),
    timeRange: [START, stamp(steps - 1)],
    instruction: 'swing',
    tracks: null,
    commands,
    problems: [],
    messages,
    close: () => Promise.resolve(),
  };
}

/** Answers with the commands that were really given; for another task, with those of a standing arm. */
export class KnowingNetwork implements PolicyNetwork {
  readonly stateSize = 8;
  readonly actionSize = 8;
  readonly horizon = 16;
  readonly stepS = STEP_S;
  readonly state = { mode: 'identity' } as const;
  readonly action = { mode: 'identity' } as const;
  readonly asked: { readonly instruction: string; readonly images: number; readonly state: readonly number[] }[] = [];

  act(images: readonly RgbImage[], instruction: string, state: Float32Array): Promise<NetworkActions> {
    // As a model's tokenizer does.
    if (instruction.includes('<|')) {
      const error = { code: 'prompt.special-token', message: 'a special token', remedy: 'word it without' };
      return Promise.reject(new InputError(error));
    }
    this.asked.push({ instruction, images: images.length, state: [...state] });
    const k = images[0]!.data[0]!;
    const row = (i: number): readonly number[] => (instruction === 'swing' ? commandOf(k + i) : [...HOME, 0]);
    return Promise.resolve({
      actions: Float32Array.from(Array.from({ length: this.horizon }, (_, i) => row(i)).flat()),
      inputIds: [],
      timings: {},
    });
  }
}

/** Models of which each policy is this network, whatever folder is named. */
export function policyModels(network: PolicyNetwork): ModelSource {
  return {
    policy: () =>
      Promise.resolve({
        policy: new ActionExpertPolicy(network),
        input: {
          cameras: [...CAMERAS],
          observationSteps: 1,
          observationStepDelta: 1,
          executedSteps: 8,
          actions: 'joint_pos',
          gripper: ROBOTIQ_2F85,
        },
      }),
    forecaster: (folder) => Promise.reject(new Error(`no forecaster was made for ${folder}`)),
    close: () => Promise.resolve(),
  };
}
