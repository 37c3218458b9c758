import { vec3 } from 'gl-matrix';
import type { Subscription } from 'rxjs';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { Header, JointTrajectory, MessageTypes, MessageType, TransformStampedMessage } from '../bus/messages.js';
import type { Arm } from '../core/arm.js';
import type { DepthImage, MaskImage } from '../core/images.js';
import { fromSeconds, fromTimeMessage, toSeconds, toTimeMessage, type Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import type { Transform } from '../geometry/transform.js';
import { pinholeInfo } from '../recordings/pinhole-info.js';
import { ARM_JOINTS, FINGER_JOINTS, HAND_BODY } from './arm-mjcf.js';
import { withNoise, type DepthNoise } from './depth-noise.js';
import { Renderer } from './renderer.js';
import type { SceneCamera } from './scene.js';
import type { Simulation } from './simulation.js';
import { TIMESTEP_S } from './world-mjcf.js';

export interface SimulatedRobotOptions {
  /** Where its commands come from: trajectories of the arm, metres between the fingers. */
  readonly topics: { readonly command: string; readonly gripper: string; readonly mode: string };
  /** Pictures, joint states and transforms come so often, seconds. */
  readonly periodS: number;
  /** Null measures the true depth. */
  readonly noise: DepthNoise | null;
  /** The published poses of the cameras on the base are off by this, metres in the base's frame: a bad calibration. */
  readonly calibrationErrorM?: Vector3;
}

export const BASE_FRAME = 'fr3_link0';
export const HAND_FRAME = 'fr3_hand';
/** Joints that are sent faster than this times what they may do are a fault of the sender. */
const TOLERANCE = 1.02;
/** Masks are kept of so many pictures: a forecast looks at the newest, and takes its time. */
const KEPT_MASKS = 32;

/**
 * The simulation as a robot on a bus: pictures, CameraInfo, transforms and joint states go out, trajectories and gripper widths come in, and a
 * trajectory that the arm may not do puts it into the mode "reflex", in which it stands until the next run. Time is the bus's clock, virtual or real.
 */
export class SimulatedRobot {
  /** Milliseconds of computing so far. */
  readonly spentMs = { physics: 0, pictures: 0 };
  readonly #bus: Bus;
  readonly #arm: Arm;
  readonly #simulation: Simulation;
  readonly #options: SimulatedRobotOptions;
  readonly #renderer = new Renderer();
  readonly #subscriptions: Subscription[] = [];
  readonly #publishers: { close(): void }[] = [];
  readonly #cameras: readonly CameraPublishers[];
  readonly #joints: Publisher<MessageTypes['sensor_msgs/msg/JointState']>;
  readonly #tf: Publisher<MessageTypes['tf2_msgs/msg/TFMessage']>;
  readonly #mode: Publisher<MessageTypes['std_msgs/msg/String']>;
  readonly #start: Nanoseconds;
  readonly #geoms: readonly string[];
  readonly #segmentations: { readonly stamp: Nanoseconds; readonly camera: string; readonly ids: Int16Array }[] = [];
  readonly #listeners: ((stamp: Nanoseconds) => void)[] = [];
  readonly #pictureListeners: ((stamp: Nanoseconds) => void)[] = [];
  #physicsSteps = 0;
  #pictures = 0;
  #target: readonly number[];
  /** What is followed when a message had several points. */
  #curve: readonly Waypoint[] | null = null;
  #reflex: string | null = null;

  constructor(bus: Bus, arm: Arm, simulation: Simulation, options: SimulatedRobotOptions) {
    this.#bus = bus;
    this.#arm = arm;
    this.#simulation = simulation;
    this.#options = options;
    this.#start = bus.clock.now();
    this.#target = simulation.joints.positions;
    this.#geoms = simulation.geoms().map(({ name }) => name);
    this.#cameras = simulation.scene.cameras.map((camera) => this.#advertiseCamera(camera));
    this.#joints = this.#advertise('/joint_states', 'sensor_msgs/msg/JointState', DEFAULT_QOS);
    this.#tf = this.#advertise('/tf', 'tf2_msgs/msg/TFMessage', DEFAULT_QOS);
    this.#mode = this.#advertise(options.topics.mode, 'std_msgs/msg/String', LATCHED_QOS);
    this.#advertise('/tf_static', 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS).publish(this.#mounts());
    this.#mode.publish({ data: 'move' });
    this.#subscriptions.push(
      bus.clock.every(fromSeconds(options.periodS)).subscribe((now) => {
        this.#tick(now);
      }),
      bus
        .subscribe(options.topics.command, 'trajectory_msgs/msg/JointTrajectory', DEFAULT_QOS)
        .subscribe(({ message }) => {
          this.#follow(message);
        }),
      bus.subscribe(options.topics.gripper, 'std_msgs/msg/Float64', DEFAULT_QOS).subscribe(({ message }) => {
        if (Number.isFinite(message.data)) simulation.moveGripper(message.data);
        else this.#refuse(`the gripper was sent to ${message.data} m`);
      }),
    );
  }

  /** Why the arm stands and does not listen; null while it moves. */
  get reflex(): string | null {
    return this.#reflex;
  }

  /** Told of every moment that was seen, before its messages go out. */
  onTick(listener: (stamp: Nanoseconds) => void): void {
    this.#listeners.push(listener);
  }

  /** Told when the pictures of a moment are taken, before they go out. */
  onPictures(listener: (stamp: Nanoseconds) => void): void {
    this.#pictureListeners.push(listener);
  }

  /** Where a picture shows a thing of the scene; null for a picture that is not remembered. */
  maskOf(thing: string, camera: string, stamp: Nanoseconds): MaskImage | null {
    const seen = this.#segmentations.find((one) => one.camera === camera && one.stamp === stamp);
    if (!seen) return null;
    const { width, height } = this.#simulation.scene.cameras.find(({ name }) => name === camera)!;
    const isPart = this.#geoms.map((name) => name === thing || name.startsWith(`${thing}_`));
    const data = new Uint8Array(width * height);
    for (let i = 0; i < data.length; i++) data[i] = isPart[seen.ids[i]!] === true ? 1 : 0;
    return { width, height, data };
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const publisher of this.#publishers) publisher.close();
  }

  #tick(now: Nanoseconds): void {
    const began = performance.now();
    const due = Math.round(toSeconds(now - this.#start) / TIMESTEP_S);
    for (; this.#physicsSteps < due; this.#physicsSteps++) {
      const at = this.#start + fromSeconds((this.#physicsSteps + 1) * TIMESTEP_S);
      if (this.#curve) this.#simulation.moveArm(sample(this.#curve, at), TIMESTEP_S);
      this.#simulation.advance(TIMESTEP_S);
    }
    this.spentMs.physics += performance.now() - began;
    for (const listener of this.#listeners) listener(now);
    const { positions, velocities } = this.#simulation.joints;
    const finger = this.#simulation.gripperWidthM / 2;
    this.#joints.publish({
      header: headerAt(now, BASE_FRAME),
      name: [...ARM_JOINTS, ...FINGER_JOINTS],
      position: [...positions, finger, finger],
      velocity: [...velocities, 0, 0],
      effort: [],
    });
    this.#tf.publish({
      transforms: [transformMessage(headerAt(now, BASE_FRAME), HAND_FRAME, this.#simulation.poseOf(HAND_BODY))],
    });
    this.#takePictures(now);
  }

  /** All are taken before the first one goes out. */
  #takePictures(now: Nanoseconds): void {
    const began = performance.now();
    const { scene } = this.#simulation;
    const { noise } = this.#options;
    const views = scene.cameras.map((camera) => this.#simulation.view(camera));
    const pictures = this.#renderer.render(this.#simulation.geoms(), views, scene.light);
    const depths = pictures.map(({ depth }) =>
      // Every picture has noise of its own, and the same one in every run.
      millimetres(noise ? withNoise(depth, noise, scene.seed * 65_537 + this.#pictures++) : depth),
    );
    this.spentMs.pictures += performance.now() - began;
    this.#cameras.forEach(({ camera }, k) => {
      this.#segmentations.push({ stamp: now, camera: camera.name, ids: pictures[k]!.segmentation });
    });
    for (const listener of this.#pictureListeners) listener(now);
    this.#cameras.forEach(({ camera, color, depth, info }, k) => {
      const picture = pictures[k]!;
      const { width, height, focal, center } = views[k]!;
      const header = headerAt(now, frameOf(camera));
      info.publish(pinholeInfo({ width, height, fx: focal, fy: focal, cx: center[0], cy: center[1] }, header));
      color.publish(rawImage(header, 'rgb8', picture.color.data, width, height));
      depth.publish(rawImage(header, '16UC1', new Uint8Array(depths[k]!.buffer), width, height));
    });
    this.#segmentations.splice(0, this.#segmentations.length - KEPT_MASKS * this.#cameras.length);
  }

  /** As a joint trajectory controller: from where the targets are now, through the last point, in its time. */
  #follow({ header, joint_names: names, points }: JointTrajectory): void {
    if (this.#reflex !== null) return;
    if (points.length > 1) {
      const stamp = fromTimeMessage(header.stamp);
      const order = ARM_JOINTS.map((name) => names.indexOf(name));
      this.#curve = points.map(({ positions, velocities, time_from_start: after }) => ({
        at: stamp + fromTimeMessage(after),
        positions: order.map((i) => positions[i] ?? Number.NaN),
        velocities: order.map((i) => velocities[i] ?? Number.NaN),
      }));
      return;
    }
    const point = points.at(-1);
    if (!point) {
      this.#refuse('a trajectory has no point');
      return;
    }
    const overS = toSeconds(fromTimeMessage(point.time_from_start));
    const positions = ARM_JOINTS.map((name) => point.positions[names.indexOf(name)] ?? Number.NaN);
    const bad = positions.findIndex((q, j) => !this.#isAllowed(q, j, overS));
    if (bad >= 0) {
      this.#refuse(
        `joint ${bad + 1} was sent from ${this.#target[bad]!.toFixed(4)} to ${positions[bad]!.toFixed(4)} rad within ${overS.toFixed(3)} s, which the ${this.#arm.name} may not do`,
      );
      return;
    }
    this.#target = positions;
    this.#simulation.moveArm(positions, overS);
  }

  #refuse(why: string): void {
    this.#reflex ??= why;
    this.#mode.publish({ data: 'reflex' });
  }

  #isAllowed(q: number, joint: number, overS: number): boolean {
    const { lower, upper, velocity } = this.#arm.joints[joint]!;
    return q >= lower && q <= upper && Math.abs(q - this.#target[joint]!) <= TOLERANCE * velocity * overS;
  }

  #advertise<T extends MessageType>(topic: string, type: T, qos: typeof DEFAULT_QOS): Publisher<MessageTypes[T]> {
    const publisher = this.#bus.advertise(topic, type, qos);
    this.#publishers.push(publisher);
    return publisher;
  }

  #advertiseCamera(camera: SceneCamera): CameraPublishers {
    return {
      camera,
      color: this.#advertise(`/${camera.name}/color/image_raw`, 'sensor_msgs/msg/Image', SENSOR_QOS),
      depth: this.#advertise(`/${camera.name}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', SENSOR_QOS),
      info: this.#advertise(`/${camera.name}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS),
    };
  }

  #mounts(): MessageTypes['tf2_msgs/msg/TFMessage'] {
    const { calibrationErrorM } = this.#options;
    return {
      transforms: this.#simulation.scene.cameras.map((camera) => {
        const isOnBase = camera.mount === 'base';
        const pose =
          isOnBase && calibrationErrorM
            ? { ...camera.pose, translation: vec3.add([0, 0, 0], camera.pose.translation, calibrationErrorM) }
            : camera.pose;
        return transformMessage(headerAt(this.#start, isOnBase ? BASE_FRAME : HAND_FRAME), frameOf(camera), pose);
      }),
    };
  }
}

interface Waypoint {
  readonly at: Nanoseconds;
  readonly positions: readonly number[];
  readonly velocities: readonly number[];
}

/** The cubics through positions and velocities, as a joint_trajectory_controller joins points. */
function sample(points: readonly Waypoint[], at: Nanoseconds): readonly number[] {
  const after = points.findIndex((point) => point.at > at);
  const to = points[after];
  const from = points[after - 1];
  if (!to || !from) return (to ?? points.at(-1)!).positions;
  const T = toSeconds(to.at - from.at);
  const s = toSeconds(at - from.at) / T;
  return from.positions.map((p0, j) => {
    const [v0, v1] = [from.velocities[j]! * T, to.velocities[j]! * T];
    const d = to.positions[j]! - p0;
    return p0 + s * (v0 + s * (3 * d - 2 * v0 - v1 + s * (v0 + v1 - 2 * d)));
  });
}

interface CameraPublishers {
  readonly camera: SceneCamera;
  readonly color: Publisher<MessageTypes['sensor_msgs/msg/Image']>;
  readonly depth: Publisher<MessageTypes['sensor_msgs/msg/Image']>;
  readonly info: Publisher<MessageTypes['sensor_msgs/msg/CameraInfo']>;
}

function frameOf({ name }: SceneCamera): string {
  return `${name}_optical_frame`;
}

function headerAt(now: Nanoseconds, frame: string): Header {
  return { stamp: toTimeMessage(now), frame_id: frame };
}

function transformMessage(
  header: Header,
  child: string,
  { translation: [x, y, z], rotation: [qx, qy, qz, qw] }: Transform,
): TransformStampedMessage {
  return {
    header,
    child_frame_id: child,
    transform: { translation: { x, y, z }, rotation: { x: qx, y: qy, z: qz, w: qw } },
  };
}

function rawImage(
  header: Header,
  encoding: string,
  data: Uint8Array,
  width: number,
  height: number,
): MessageTypes['sensor_msgs/msg/Image'] {
  return { header, width, height, encoding, is_bigendian: 0, step: data.length / height, data };
}

/** 0 where there is no depth (REP 118). */
function millimetres({ data }: DepthImage): Uint16Array {
  const codes = new Uint16Array(data.length);
  // NaN becomes 0 on its own.
  for (let i = 0; i < codes.length; i++) codes[i] = Math.min(65_535, Math.round(1000 * data[i]!));
  return codes;
}
