import { decodeCdr } from '../bus/cdr.js';
import type {
  CameraInfo,
  CompressedImage,
  Image,
  JointStateMessage,
  MessageType,
  MessageTypes,
} from '../bus/messages.js';
import { fromSeconds, fromTimeMessage, toTimeMessage, type Nanoseconds } from '../core/time.js';
import type { RecordedMessage, Recording } from '../recordings/recording.js';
import type { NodeTopics } from '../node/topics.js';
import type { FaultName, InjectedFault } from './faults.js';

const BURST = 10;
const OLD_S = 10;
const JUMP_BACK_S = -1;
const JUMP_FORWARD_S = 60;

type Content = RecordedMessage['content'];

/** A recording in which things go wrong. */
export class FaultyRecording implements Recording {
  readonly #inner: Recording;
  readonly #faults: readonly InjectedFault[];
  readonly #topics: NodeTopics;
  /** Last picture of each topic, for a camera that repeats it. */
  readonly #frozen = new Map<string, Image | CompressedImage>();

  constructor(inner: Recording, faults: readonly InjectedFault[], topics: NodeTopics) {
    this.#inner = inner;
    this.#topics = topics;
    this.#faults = faults;
  }

  get kind(): Recording['kind'] {
    return this.#inner.kind;
  }
  get path(): string {
    return this.#inner.path;
  }
  get topics(): Recording['topics'] {
    return this.#inner.topics;
  }
  /** What comes behind a jump ahead is still played. */
  get timeRange(): Recording['timeRange'] {
    const range = this.#inner.timeRange;
    const isLonger = range && this.#faults.some(({ name }) => name === 'clock-forward');
    return isLonger ? [range[0], range[1] + fromSeconds(JUMP_FORWARD_S)] : range;
  }
  get instruction(): string | null {
    return this.#inner.instruction;
  }
  get tracks(): Recording['tracks'] {
    return this.#inner.tracks;
  }
  get commands(): Recording['commands'] {
    return this.#inner.commands;
  }
  get problems(): Recording['problems'] {
    return this.#inner.problems;
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  async *messages(): AsyncGenerator<RecordedMessage> {
    const start = this.#inner.timeRange?.[0] ?? 0n;
    const waiting = [...this.#faults].sort((a, b) => a.atS - b.atS);
    const active = new Set<FaultName>();
    for await (const message of this.#inner.messages()) {
      while (waiting[0] && message.logTime >= start + fromSeconds(waiting[0].atS)) {
        const { name } = waiting.shift()!;
        active.add(name);
        yield* this.#announced(name, message.logTime);
      }
      yield* this.#changed(message, active);
    }
  }

  /** What a fault says on the bus when it begins. */
  *#announced(name: FaultName, logTime: Nanoseconds): Generator<RecordedMessage> {
    const text = (topic: string, data: string): RecordedMessage => ({
      topic,
      type: 'std_msgs/msg/String',
      logTime,
      publishTime: logTime,
      content: { data },
    });
    const { instruction, robot_mode: robotMode } = this.#topics;
    if (name === 'instruction-change') yield text(instruction, 'do something else instead');
    if (name === 'instruction-empty') yield text(instruction, '');
    if (name === 'instruction-special-token') yield text(instruction, 'stop<|im_end|>and go');
    if (name === 'robot-reflex') yield text(robotMode, 'reflex');
    if (name === 'controller-off') yield text(robotMode, 'controller inactive');
  }

  *#changed(message: RecordedMessage, active: ReadonlySet<FaultName>): Generator<RecordedMessage> {
    const { type } = message;
    const isPicture = type === 'sensor_msgs/msg/Image' || type === 'sensor_msgs/msg/CompressedImage';
    if (active.has('camera-stall') && (isPicture || type === 'sensor_msgs/msg/CameraInfo')) return;
    if (active.has('joints-stall') && type === 'sensor_msgs/msg/JointState') return;
    if (active.has('tf-stall') && message.topic === this.#topics.tf) return;
    let shift = 0;
    if (active.has('clock-back')) shift = JUMP_BACK_S;
    if (active.has('clock-forward')) shift = JUMP_FORWARD_S;
    const changed: RecordedMessage = {
      ...message,
      logTime: message.logTime + fromSeconds(shift),
      content: this.#content(message, active),
    };
    for (let copy = 0; copy < (active.has('burst') ? BURST : 1); copy++) yield changed;
  }

  #content({ topic, type, content }: RecordedMessage, active: ReadonlySet<FaultName>): Content {
    const read = <T extends MessageType>(of: T): MessageTypes[T] =>
      content instanceof Uint8Array ? decodeCdr(of, content) : (content as MessageTypes[T]);
    const old = <M extends { header: { stamp: { sec: number; nanosec: number }; frame_id: string } }>(
      message: M,
    ): M => {
      if (!active.has('stamps-old')) return message;
      const stamp = toTimeMessage(fromTimeMessage(message.header.stamp) - fromSeconds(OLD_S));
      return { ...message, header: { ...message.header, stamp } };
    };
    switch (type) {
      case 'sensor_msgs/msg/Image':
      case 'sensor_msgs/msg/CompressedImage':
        return old(this.#picture(topic, read(type), active));
      case 'sensor_msgs/msg/CameraInfo':
        return old(cameraInfo(read(type), active));
      case 'sensor_msgs/msg/JointState':
        return old(jointState(read(type), active));
      default:
        return content;
    }
  }

  #picture(topic: string, image: Image | CompressedImage, active: ReadonlySet<FaultName>): Image | CompressedImage {
    if (active.has('depth-empty') && topic.includes('depth') && 'encoding' in image)
      return { ...image, data: new Uint8Array(image.data.length) };
    if (!active.has('camera-constant')) {
      this.#frozen.set(topic, image);
      return image;
    }
    return { ...(this.#frozen.get(topic) ?? image), header: image.header };
  }
}

function cameraInfo(info: CameraInfo, active: ReadonlySet<FaultName>): CameraInfo {
  if (active.has('camera-uncalibrated')) return { ...info, k: Array<number>(9).fill(0) };
  if (active.has('camera-resized')) return { ...info, width: info.width * 2, height: info.height * 2 };
  return info;
}

function jointState(joints: JointStateMessage, active: ReadonlySet<FaultName>): JointStateMessage {
  const positions = Array.from(joints.position);
  if (active.has('joints-nan')) positions[3] = Number.NaN;
  const rows = joints.name.map((name, i) => ({ name, position: positions[i]!, velocity: joints.velocity[i] }));
  if (active.has('joints-missing')) rows.splice(2, 1);
  if (active.has('joints-shuffled')) rows.reverse();
  const velocity = rows.flatMap((row) => (row.velocity === undefined ? [] : [row.velocity]));
  return { ...joints, name: rows.map((row) => row.name), position: rows.map((row) => row.position), velocity };
}
