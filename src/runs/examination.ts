import { feedOptions } from '../assembly/feed-options.js';
import { forecastCamera, resolveCameras } from '../assembly/cameras.js';
import type { NodeConfig } from '../assembly/config/node-config.js';
import { MemoryBus } from '../bus/memory/memory-bus.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { CompressedImage, Image, MessageType, MessageTypes } from '../bus/messages.js';
import { PlannerError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import { MODEL_STEP_S, type Nanoseconds } from '../core/time.js';
import { loadArm } from '../files/arm-file.js';
import { TfBuffer } from '../geometry/tf-buffer.js';
import type { CameraTopics } from '../node/camera-topics.js';
import { Latencies } from '../node/latencies.js';
import { pictureName } from '../node/picture-name.js';
import { RefusalCounter } from '../node/refusals.js';
import { SensorFeed, type SensorListener } from '../node/sensor-feed.js';
import { topicFindings } from '../node/topic-findings.js';
import { play, type PlayOptions } from '../recordings/player.js';
import { ProblemLog, type Recording, type RecordingProblem } from '../recordings/recording.js';
import { checkColorImage, decodeCompressedColor } from '../sensing/color-image.js';
import { checkDepthImage, decodeCompressedDepth } from '../sensing/depth-image.js';
import { messageOf } from '../sensing/message-of.js';
import { recordedTopics, withRecordedTask } from './recording-world.js';

/** What is in a recording, as a replay with the same configuration would find it. */
export interface Examined {
  readonly cameras: readonly CameraTopics[];
  /** Null where the recording says none. */
  readonly instruction: string | null;
  readonly topics: ReadonlyMap<string, TopicTimes>;
  /** Frames of transforms and of pictures. */
  readonly frames: readonly string[];
  /** Names of the arm's joints, from base to hand; none where no message of them could be used. */
  readonly armJoints: readonly string[];
  readonly problems: readonly RecordingProblem[];
}

export interface TopicTimes {
  readonly count: number;
  readonly first: Nanoseconds;
  readonly last: Nanoseconds;
}

/**
 * Plays a recording to the same sensor feed that a replay plays it to, so that it finds what a replay will refuse. Unlike a replay it decodes every picture
 * and every message, also those that no stage asks for: one that cannot be decoded says that the file is damaged.
 * @throws CancelledError, and what reading the recording throws.
 */
export async function examine(
  recording: Recording,
  given: NodeConfig,
  options: Pick<PlayOptions, 'signal' | 'onProgress'>,
): Promise<Examined> {
  const config = withRecordedTask(given, recording);
  const bus = new MemoryBus(new VirtualClock(recording.timeRange?.[0] ?? 0n));
  const refusals = new RefusalCounter();
  const { cameras, camera, problems } = findCameras(config, recording);
  const pictures = new Pictures(refusals);
  const feed = new SensorFeed(
    bus,
    {
      ...feedOptions(config, await loadArm(config.arm.model), cameras),
      forecastCamera: camera,
      window: { frames: 1, stepS: MODEL_STEP_S },
    },
    new TfBuffer(),
    pictures,
    refusals,
    new Latencies(),
  );
  const heard = heardTopics(config, cameras);
  const heardPictures = new Set([...heard].map((topic) => pictureName(topic).base));
  const topics = new Map<string, TopicTimes>();
  try {
    await play(recording, bus, {
      ...options,
      settle: () => pictures.decode(),
      onMessage: ({ topic, type, logTime, content }) => {
        const known = topics.get(topic);
        topics.set(topic, { count: (known?.count ?? 0) + 1, first: known?.first ?? logTime, last: logTime });
        if (heard.has(topic)) return;
        try {
          const message = messageOf(topic, type, content);
          // Another transport of a picture that is heard says nothing that is used.
          if (!heardPictures.has(pictureName(topic).base)) pictures.add(message, type);
        } catch (error) {
          refusals.add('sensing', error);
        }
      },
    });
    feed.flush();
    await pictures.decode();
    return {
      cameras,
      instruction: feed.instruction === '' ? null : feed.instruction,
      topics,
      frames: [...new Set([...feed.tf.frames, ...pictures.frames])].sort(),
      armJoints: feed.counts.jointStates > 0 ? feed.armJoints : [],
      problems: [
        ...recording.problems,
        ...problems,
        ...refusals.list.map(({ code, message, remedy, count }) => ({
          kind: 'problem' as const,
          code,
          message: `${message} (${remedy})`,
          count,
        })),
        ...feed.findings,
        ...topicFindings(recording.topics, config.topics.joints),
      ],
    };
  } finally {
    feed.close();
    await bus.close();
  }
}

/** A replay ends with what is a problem here: where cameras are ambiguous, or not what the configuration says. */
function findCameras(
  config: NodeConfig,
  recording: Recording,
): {
  readonly cameras: readonly CameraTopics[];
  readonly camera: string;
  readonly problems: readonly RecordingProblem[];
} {
  const problems = new ProblemLog();
  let cameras: readonly CameraTopics[] = [];
  let camera = '';
  try {
    cameras = resolveCameras(config.cameras, recordedTopics(recording));
    camera = forecastCamera(config, cameras, recording) ?? '';
  } catch (error) {
    if (!(error instanceof PlannerError)) throw error;
    problems.add(error.code, `${error.message} (${error.remedy})`);
  }
  return { cameras, camera, problems: problems.list };
}

function heardTopics({ topics }: NodeConfig, cameras: readonly CameraTopics[]): ReadonlySet<string> {
  const { joints, tf, tf_static: tfStatic, click, instruction } = topics;
  return new Set([
    ...[joints, tf, tfStatic, click, instruction],
    ...cameras.flatMap(({ color, depth, info }) => [color.topic, info, ...(depth ? [depth.topic] : [])]),
  ]);
}

/** Decodes the pictures that the feed tells of. */
class Pictures implements SensorListener {
  readonly frames = new Set<string>();
  readonly #refusals: RefusalCounter;
  #waiting: (() => Promise<unknown>)[] = [];

  constructor(refusals: RefusalCounter) {
    this.#refusals = refusals;
  }

  frame(frame: CameraFrame): void {
    this.frames.add(frame.frameId);
    this.#waiting.push(frame.color, ...(frame.depth ? [frame.depth] : []));
  }

  /** A message of no camera: if it is a picture, it is decoded all the same. */
  add(message: MessageTypes[MessageType], type: MessageType): void {
    if (type === 'sensor_msgs/msg/CompressedImage') {
      const image = message as CompressedImage;
      const isDepth = /compressedDepth|^(16UC1|32FC1)/.test(image.format);
      this.#waiting.push(() => (isDepth ? decodeCompressedDepth(image) : decodeCompressedColor(image)));
    } else if (type === 'sensor_msgs/msg/Image') {
      const image = message as Image;
      if (['16UC1', '32FC1', 'mono16'].includes(image.encoding)) checkDepthImage(image);
      else checkColorImage(image);
    }
  }

  /** A promise while there are pictures that wait for it. */
  decode(): Promise<void> | undefined {
    return this.#waiting.length === 0 ? undefined : this.#decodeAll();
  }

  async #decodeAll(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const picture of waiting) {
      try {
        await picture();
      } catch (error) {
        this.#refusals.add('sensing', error);
      }
    }
  }

  readonly joints = ignore;
  readonly gripper = ignore;
  readonly instruction = ignore;
  readonly click = ignore;
  readonly transform = ignore;
  readonly transformsChanged = ignore;
}

/** The feed itself keeps what is asked for at the end. */
function ignore(): void {
  return;
}
