import type { Subscription } from 'rxjs';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS, type Bus, type Qos, type Stamped } from '../bus/bus.js';
import type { MessageType, MessageTypes, TFMessage } from '../bus/messages.js';
import { describeError, InputError, PlannerError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame } from '../core/observation.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Pixel } from '../core/vector.js';
import type { TfBuffer } from '../geometry/tf-buffer.js';
import { CameraStream } from '../sensing/camera-stream.js';
import { findArmJoints, readGripperState, readJoints } from '../sensing/joint-states.js';
import { ObservationWindow, type WindowOptions } from '../sensing/observation-window.js';
import { stampedTransforms } from '../sensing/transform-messages.js';
import type { CameraTopics } from './camera-topics.js';
import type { Latencies } from './latencies.js';
import type { RefusalCounter } from './refusals.js';
import type { NodeTopics } from './topics.js';

export interface SensorFeedOptions {
  readonly topics: NodeTopics;
  readonly cameras: readonly CameraTopics[];
  /** Camera that a click without a frame is meant for. */
  readonly forecastCamera: string;
  /** Pictures of each camera that make one observation. */
  readonly window: WindowOptions;
  readonly arm: ArmNames;
  /** Takes the place of the instruction topic. */
  readonly instruction: string | null;
  /** Widest difference of stamps between colour and depth, seconds. */
  readonly maxIntervalS: number;
  readonly depthScaleM: number;
}

/** What the arm's joints are called in joint states, from base to hand. */
export interface ArmNames {
  /** As configured; null where they are to be found. */
  readonly joints: readonly string[] | null;
  /** The arm's own names. Where they are not heard, the only complete set of seven joints is taken for the arm. */
  readonly ownJoints: readonly string[];
}

/** Told of what is heard, in the order in which it comes. */
export interface SensorListener {
  frame(frame: CameraFrame): void;
  joints(joints: JointPositions): void;
  /** @param state of the gripper, as a policy takes it. */
  gripper(state: number): void;
  instruction(text: string): void;
  click(camera: string, pixel: Pixel): void;
  /** @param stamp of a transform that is not static. */
  transform(stamp: Nanoseconds): void;
  /** All transforms of one message are known now. */
  transformsChanged(): void;
}

/** Sets of colour and depth that wait for their partner. */
const QUEUE_SIZE = 10;

/**
 * Everything that the stages hear: pictures put together and windowed, joints, transforms, clicks, the instruction. It listens from its construction on:
 * what was latched is told at once.
 */
export class SensorFeed {
  readonly counts = { frames: 0, jointStates: 0, transforms: 0 };
  readonly tf: TfBuffer;
  readonly #bus: Bus;
  readonly #options: SensorFeedOptions;
  readonly #listener: SensorListener;
  readonly #refusals: RefusalCounter;
  readonly #latencies: Latencies;
  readonly #subscriptions: Subscription[] = [];
  readonly #streams: CameraStream[] = [];
  readonly #windows = new Map<string, ObservationWindow>();
  /** Camera by the frame that its pictures come in. */
  readonly #frameCameras = new Map<string, string>();
  #instruction: string;
  #joints: JointPositions | null = null;
  #armJoints: readonly string[] | null;
  #gripper: number | null = null;

  constructor(
    bus: Bus,
    options: SensorFeedOptions,
    tf: TfBuffer,
    listener: SensorListener,
    refusals: RefusalCounter,
    latencies: Latencies,
  ) {
    this.#bus = bus;
    this.#options = options;
    this.tf = tf;
    this.#listener = listener;
    this.#refusals = refusals;
    this.#latencies = latencies;
    this.#instruction = options.instruction ?? '';
    this.#armJoints = options.arm.joints;
    for (const camera of options.cameras) this.#subscribeCamera(camera);
    this.#subscribeRobot();
    this.#subscribeOperator();
  }

  /** The task as it stands now; empty when none has come. */
  get instruction(): string {
    return this.#instruction;
  }

  /** Names of the arm's joints; none while no arm has been heard. */
  get armJoints(): readonly string[] {
    return this.#armJoints ?? [];
  }

  /** Null while none has come. */
  get joints(): JointPositions | null {
    return this.#joints;
  }

  /** State of the gripper, as a policy takes it; null while none has come. */
  get gripper(): number | null {
    return this.#gripper;
  }

  /** The newest pictures of a camera, oldest first; null while there are too few. */
  window(camera: string): readonly CameraFrame[] | null {
    return this.#windows.get(camera)?.window() ?? null;
  }

  /** The windows of all cameras that have one. */
  windows(): ReadonlyMap<string, readonly CameraFrame[]> {
    return new Map(
      [...this.#windows].flatMap(([camera, windows]) => {
        const window = windows.window();
        return window ? [[camera, window] as const] : [];
      }),
    );
  }

  /** Says another task than the topic does, from now on. */
  setInstruction(text: string): void {
    this.#instruction = text.trim();
    this.#listener.instruction(this.#instruction);
  }

  /** At the end of a stream: uses what was still waiting for a partner. */
  flush(): void {
    for (const stream of this.#streams) stream.flush();
  }

  /** After the clock jumped back everything that was heard belongs to another run. */
  clear(): void {
    for (const stream of this.#streams) stream.clear();
    for (const window of this.#windows.values()) window.clear();
    this.tf.clear({ keepStatic: true });
    this.#joints = null;
    this.#gripper = null;
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #subscribeCamera(camera: CameraTopics): void {
    const { maxIntervalS, depthScaleM, window } = this.#options;
    this.#windows.set(camera.camera, new ObservationWindow(window));
    const stream = new CameraStream(
      {
        camera: camera.camera,
        hasDepth: camera.depth !== null,
        rectified: camera.rectified,
        ...(camera.frame !== undefined && { frame: camera.frame }),
        depthScaleM,
        maxInterval: fromSeconds(maxIntervalS),
        queueSize: QUEUE_SIZE,
      },
      (frame) => {
        this.#addFrame(frame);
      },
      (error) => {
        this.#refusals.add('sensing', error);
      },
    );
    this.#streams.push(stream);
    this.#listen(camera.info, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS, ({ message }) => {
      stream.addInfo(message);
    });
    this.#listen(camera.color.topic, camera.color.type, SENSOR_QOS, ({ message }) => {
      stream.addColor(message);
    });
    if (!camera.depth) return;
    this.#listen(camera.depth.topic, camera.depth.type, SENSOR_QOS, ({ message }) => {
      stream.addDepth(message);
    });
  }

  #subscribeRobot(): void {
    const { topics } = this.#options;
    this.#listen(topics.tf, 'tf2_msgs/msg/TFMessage', DEFAULT_QOS, ({ message }) => {
      this.#addTransforms(message, false);
    });
    this.#listen(topics.tf_static, 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS, ({ message }) => {
      this.#addTransforms(message, true);
    });
    this.#listen(topics.joints, 'sensor_msgs/msg/JointState', SENSOR_QOS, ({ message }) => {
      const gripper = readGripperState(message);
      if (gripper !== null) {
        this.#gripper = gripper;
        this.#listener.gripper(gripper);
      }
      this.#armJoints ??= this.#armJointsIn(message.name);
      // Messages of other publishers (a gripper, a mobile base) share the topic; they are not this arm's.
      if (!this.#armJoints?.some((name) => message.name.includes(name))) return;
      this.#joints = readJoints(message, this.#armJoints);
      this.counts.jointStates++;
      this.#listener.joints(this.#joints);
    });
  }

  /** @throws InputError `joints.ambiguous` where several arms are heard and none of them has the arm's own names. */
  #armJointsIn(names: readonly string[]): readonly string[] | null {
    const { ownJoints } = this.#options.arm;
    return ownJoints.every((name) => names.includes(name)) ? ownJoints : findArmJoints(names);
  }

  #subscribeOperator(): void {
    const { topics, instruction } = this.#options;
    this.#listen(topics.click, 'geometry_msgs/msg/PointStamped', DEFAULT_QOS, ({ message }) => {
      this.#listener.click(this.#cameraOfClick(message.header.frame_id), [message.point.x, message.point.y]);
    });
    if (instruction !== null) return;
    // A subscriber that asks for latched messages hears no publisher that does not latch (ros2 topic pub), and one that does not ask hears nothing
    // that was said before it came. Only both together hear everybody.
    for (const qos of [DEFAULT_QOS, LATCHED_QOS]) {
      this.#listen(topics.instruction, 'std_msgs/msg/String', qos, ({ message }) => {
        this.setInstruction(message.data);
      });
    }
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
          this.#refusals.add('sensing', error instanceof PlannerError ? error : unreadable(topic, error));
        }
        this.#latencies.add('sensing', performance.now() - start);
      }),
    );
  }

  #addFrame(frame: CameraFrame): void {
    this.counts.frames++;
    this.#frameCameras.set(frame.frameId, frame.camera);
    this.#windows.get(frame.camera)!.add(frame);
    this.#listener.frame(frame);
  }

  #addTransforms(message: TFMessage, isStatic: boolean): void {
    for (const step of stampedTransforms(message)) {
      try {
        this.tf.set(step, isStatic);
        this.counts.transforms++;
        if (!isStatic) this.#listener.transform(step.stamp);
      } catch (error) {
        // One bad transform does not spoil the others of its message.
        this.#refusals.add('sensing', error);
      }
    }
    this.#listener.transformsChanged();
  }

  /** A click names the camera's optical frame, or the camera itself; an empty frame means the camera that forecasts start from. */
  #cameraOfClick(frame: string): string {
    const { cameras, forecastCamera } = this.#options;
    const named = cameras.find(({ camera }) => camera === frame)?.camera;
    const camera = frame === '' ? forecastCamera : (named ?? this.#frameCameras.get(frame));
    if (camera !== undefined) return camera;
    throw new InputError({
      code: 'click.camera',
      message: `a click is in frame "${frame}", which no camera has (there are: ${[...this.#frameCameras.keys()].join(', ') || 'none yet'})`,
      remedy: "put the camera's optical frame into the header of the click",
    });
  }
}

function unreadable(topic: string, cause: unknown): InputError {
  return new InputError({
    code: 'message.unreadable',
    message: `a message on ${topic} cannot be read: ${describeError(cause)}`,
    remedy: 'check that its publisher uses the message type of the topic',
    cause,
  });
}
