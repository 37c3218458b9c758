import type { Subscription } from 'rxjs';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS, type Bus, type Qos, type Stamped } from '../bus/bus.js';
import type { MessageType, MessageTypes, TFMessage } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame } from '../core/observation.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Pixel } from '../core/vector.js';
import type { TfBuffer } from '../geometry/tf-buffer.js';
import { CameraStream } from '../sensing/camera-stream.js';
import type { ArmNames } from '../sensing/joint-reader.js';
import { unreadableMessage } from '../sensing/message-of.js';
import { ObservationWindow, type WindowOptions } from '../sensing/observation-window.js';
import { SensorWatch, type Finding } from '../sensing/sensor-watch.js';
import { stampedTransforms } from '../sensing/transform-messages.js';
import { ArmState } from './arm-state.js';
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
  readonly #arm: ArmState;
  readonly #watch = new SensorWatch();
  /** Topics whose messages are watched: several cameras may share one, and each of its messages counts once. */
  readonly #watched = new Set<string>();

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
    this.#arm = new ArmState(options.arm, () => bus.clock.now());
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
    return this.#arm.names.armJoints ?? [];
  }

  /** What was noticed about the streams as a whole, until now. */
  get findings(): readonly Finding[] {
    return this.#watch.findings(this.#options.cameras, this.#arm.names);
  }

  /** Null while none has come. */
  get joints(): JointPositions | null {
    return this.#arm.joints;
  }

  /** State of the gripper, as a policy takes it; null while none has come. */
  get gripper(): number | null {
    return this.#arm.gripper;
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
    this.#arm.clear();
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
    this.#listen(camera.info, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS, (message) => {
      stream.addInfo(message);
    });
    this.#listen(camera.color.topic, camera.color.type, SENSOR_QOS, (message) => {
      stream.addColor(message);
    });
    if (!camera.depth) return;
    this.#listen(camera.depth.topic, camera.depth.type, SENSOR_QOS, (message) => {
      stream.addDepth(message);
    });
  }

  #subscribeRobot(): void {
    const { topics } = this.#options;
    this.#listen(topics.tf, 'tf2_msgs/msg/TFMessage', DEFAULT_QOS, (message) => {
      this.#addTransforms(message, false);
    });
    this.#listen(topics.tf_static, 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS, (message) => {
      this.#addTransforms(message, true);
    });
    this.#listen(topics.joints, 'sensor_msgs/msg/JointState', SENSOR_QOS, (message) => {
      this.#try(() => {
        const joints = this.#arm.hearJoints(message);
        if (!joints) return;
        this.counts.jointStates++;
        this.#listener.joints(joints);
      });
      // The gripper of a message whose joints cannot be used is heard all the same.
      const gripper = this.#arm.hearGripper(message);
      if (gripper !== null) this.#listener.gripper(gripper);
    });
  }

  #subscribeOperator(): void {
    const { topics, instruction } = this.#options;
    this.#listen(topics.click, 'geometry_msgs/msg/PointStamped', DEFAULT_QOS, (message) => {
      this.#listener.click(this.#cameraOfClick(message.header.frame_id), [message.point.x, message.point.y]);
    });
    if (instruction !== null) return;
    // A subscriber that asks for latched messages hears no publisher that does not latch (ros2 topic pub), and one that does not ask hears nothing
    // that was said before it came. Only both together hear everybody.
    for (const qos of [DEFAULT_QOS, LATCHED_QOS]) {
      this.#listen(topics.instruction, 'std_msgs/msg/String', qos, (message) => {
        this.setInstruction(message.data);
      });
    }
  }

  /** A message that cannot be used is counted with its reason, and the next one is awaited. */
  #listen<T extends MessageType>(topic: string, type: T, qos: Qos, handle: (message: MessageTypes[T]) => void): void {
    const isWatched = !this.#watched.has(topic);
    this.#watched.add(topic);
    this.#subscriptions.push(
      this.#bus.subscribe(topic, type, qos).subscribe((stamped) => {
        const start = performance.now();
        this.#try(() => {
          const message = messageIn(topic, stamped);
          if (isWatched) this.#watch.saw(topic, type, message);
          handle(message);
        });
        this.#latencies.add('sensing', performance.now() - start);
      }),
    );
  }

  #try(hear: () => void): void {
    try {
      hear();
    } catch (error) {
      this.#refusals.add('sensing', error);
    }
  }

  #addFrame(frame: CameraFrame): void {
    this.counts.frames++;
    this.#frameCameras.set(frame.frameId, frame.camera);
    this.#windows.get(frame.camera)!.add(frame);
    this.#listener.frame(frame);
  }

  #addTransforms(message: TFMessage, isStatic: boolean): void {
    for (const step of stampedTransforms(message)) {
      // One bad transform does not spoil the others of its message.
      this.#try(() => {
        this.tf.set(step, isStatic);
        this.counts.transforms++;
        if (!isStatic) this.#listener.transform(step.stamp);
      });
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

/** A message is decoded when it is first asked for. @throws InputError `message.unreadable`. */
function messageIn<T>(topic: string, stamped: Stamped<T>): T {
  try {
    return stamped.message;
  } catch (error) {
    throw unreadableMessage(topic, error);
  }
}
