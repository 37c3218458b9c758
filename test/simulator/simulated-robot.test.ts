import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS } from '../../src/bus/bus.js';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { RealClock } from '../../src/bus/memory/real-clock.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import type { MessageTypes, MessageType } from '../../src/bus/messages.js';
import { fromSeconds, fromTimeMessage, toTimeMessage } from '../../src/core/time.js';
import { loadArm } from '../../src/files/arm-file.js';
import { invert, transformPoint } from '../../src/geometry/transform.js';
import { cameraModelOf } from '../../src/sensing/camera-info.js';
import { decodeColorImage } from '../../src/sensing/color-image.js';
import { decodeDepthImage, MILLIMETRES } from '../../src/sensing/depth-image.js';
import { GripperReader } from '../../src/sensing/gripper-reader.js';
import { readJoints } from '../../src/sensing/joint-states.js';
import { stampedTransforms } from '../../src/sensing/transform-messages.js';
import { RGBD_NOISE } from '../../src/simulator/depth-noise.js';
import { MotionHistory } from '../../src/simulator/motion-history.js';
import { drawScene, drawTrainingScene } from '../../src/simulator/draw-scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { unseenIn } from '../../src/simulator/unseen.js';
import { SimulatedRobot, type SimulatedRobotOptions } from '../../src/simulator/simulated-robot.js';
import { Simulation } from '../../src/simulator/simulation.js';
import { withTask } from '../../src/simulator/task.js';

const PERIOD_S = 1 / 15;
const arm = await loadArm('fr3');
const config = await loadSceneConfig();
const OPTIONS: SimulatedRobotOptions = {
  topics: { command: '/command', gripper: '/gripper', mode: '/mode' },
  periodS: PERIOD_S,
  noise: null,
};
const NAMES = arm.joints.map((_, j) => `fr3_joint${j + 1}`);

let simulation: Simulation;
beforeEach(async () => {
  simulation = await Simulation.create(arm, drawScene(config, 4));
});
afterEach(() => {
  simulation.close();
});

function heard<T extends MessageType>(bus: MemoryBus, topic: string, type: T, qos = DEFAULT_QOS): MessageTypes[T][] {
  const messages: MessageTypes[T][] = [];
  bus.subscribe(topic, type, qos).subscribe(({ message }) => messages.push(message));
  return messages;
}

/** One period later, again and again. */
function advance(clock: VirtualClock, ticks: number): void {
  for (let i = 0; i < ticks; i++) clock.advanceTo(clock.now() + fromSeconds(PERIOD_S));
}

function send(bus: MemoryBus, positions: readonly number[], names: readonly string[] = NAMES, overS = PERIOD_S): void {
  bus.advertise('/command', 'trajectory_msgs/msg/JointTrajectory').publish({
    header: { stamp: toTimeMessage(bus.clock.now()), frame_id: '' },
    joint_names: [...names],
    points: [
      { positions, velocities: [], accelerations: [], effort: [], time_from_start: toTimeMessage(fromSeconds(overS)) },
    ],
  });
}

describe('the simulated robot on a bus', () => {
  it('shows what is there, as a driver would, and the same in every run', () => {
    const runs = [0, 1].map(() => {
      const clock = new VirtualClock(fromSeconds(100));
      const bus = new MemoryBus(clock);
      const robot = new SimulatedRobot(bus, arm, simulation, { ...OPTIONS, noise: RGBD_NOISE });
      const color = heard(bus, '/exo_camera_1/color/image_raw', 'sensor_msgs/msg/Image', SENSOR_QOS);
      const depth = heard(bus, '/exo_camera_1/aligned_depth_to_color/image_raw', 'sensor_msgs/msg/Image', SENSOR_QOS);
      clock.advanceTo(clock.now() + fromSeconds(PERIOD_S));
      robot.close();
      return { color: decodeColorImage(color[0]!), depth: decodeDepthImage(depth[0]!, MILLIMETRES) };
    });
    const [first] = runs;
    expect([first!.color.width, first!.color.height]).toEqual([320, 180]);
    expect(new Set(first!.color.data).size).toBeGreaterThan(50);
    const known = [...first!.depth.data].filter((z) => !Number.isNaN(z));
    // The rest is sky.
    expect(known.length).toBeGreaterThan(0.4 * first!.depth.data.length);
    // Physics has gone on by a period, in which nothing was to move.
    const same = first!.depth.data.filter((z, i) => Object.is(z, runs[1]!.depth.data[i])).length;
    expect(same / first!.depth.data.length).toBeGreaterThan(0.95);
  });
  it('has depth, transforms and CameraInfo that agree on where things are, in both cameras', () => {
    const clock = new VirtualClock();
    const bus = new MemoryBus(clock);
    const robot = new SimulatedRobot(bus, arm, simulation, OPTIONS);
    const fixed = heard(bus, '/tf_static', 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS);
    const moving = heard(bus, '/tf', 'tf2_msgs/msg/TFMessage');
    const seen = new Map<string, number>();
    for (const camera of ['exo_camera_1', 'wrist_camera']) {
      const info = heard(bus, `/${camera}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS);
      const depth = heard(bus, `/${camera}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', SENSOR_QOS);
      advance(clock, 1);
      const steps = [...fixed, ...moving.slice(-1)].flatMap((message) => stampedTransforms(message));
      const mount = steps.find(({ child }) => child === `${camera}_optical_frame`)!;
      const hand = steps.find(({ child }) => child === 'fr3_hand')!;
      const image = decodeDepthImage(depth[0]!, MILLIMETRES);
      const model = cameraModelOf(info[0]!, false);
      const stamp = fromTimeMessage(depth[0]!.header.stamp);
      expect(depth[0]!.header.frame_id).toBe(`${camera}_optical_frame`);
      for (const { name, halfSize, geometry } of simulation.scene.objects) {
        const mask = robot.maskOf(name, camera, stamp)!;
        mask.data.forEach((inside, i) => {
          if (inside === 0) return;
          let point = transformPoint(
            mount.transform,
            model.unproject([i % mask.width, Math.floor(i / mask.width)], image.data[i]!)!,
          );
          if (mount.parent === 'fr3_hand') point = transformPoint(hand.transform, point);
          else expect(mount.parent).toBe('fr3_link0');
          // Every pixel of its mask lies on the object: on its surface, within what millimetres can tell.
          const [x, y, z] = transformPoint(invert(simulation.poseOf(name)), point);
          const [w, d, h] = halfSize;
          const out =
            geometry === 'box'
              ? Math.max(Math.abs(x) - w, Math.abs(y) - d, Math.abs(z) - h)
              : geometry === 'sphere'
                ? Math.hypot(x, y, z) - w
                : Math.max(Math.hypot(x, y) - w, Math.abs(z) - h);
          expect(Math.abs(out)).toBeLessThan(0.0015);
          seen.set(camera, (seen.get(camera) ?? 0) + 1);
        });
      }
      // Once the receptacles' walls are in front, there still is something of each thing.
      expect(robot.maskOf(simulation.scene.receptacles[0]!.name, camera, stamp)).not.toBeNull();
    }
    expect(robot.maskOf('object_0', 'exo_camera_1', 5n)).toBeNull();
    expect(seen.get('exo_camera_1')).toBeGreaterThan(80);
    robot.close();
  });
  it('follows trajectories by the names of their joints, and its gripper a width', () => {
    const clock = new VirtualClock();
    const bus = new MemoryBus(clock);
    const robot = new SimulatedRobot(bus, arm, simulation, OPTIONS);
    const states = heard(bus, '/joint_states', 'sensor_msgs/msg/JointState');
    const start = simulation.scene.startJoints;
    advance(clock, 1);
    expect(readJoints(states[0]!, NAMES).positions).toEqual(start.map((q) => expect.closeTo(q, 2)));
    expect(new GripperReader().read(states[0]!, null)).toBeCloseTo(0, 2);
    bus.advertise('/gripper', 'std_msgs/msg/Float64').publish({ data: 0.02 });
    for (let k = 1; k <= 15; k++) {
      const goal = start.map((q, j) => (j === 3 ? q + 0.02 * k : q));
      // In another order than the arm's own.
      send(bus, [...goal].reverse(), [...NAMES].reverse());
      advance(clock, 1);
    }
    advance(clock, 5);
    const { positions } = readJoints(states.at(-1)!, NAMES);
    expect(positions[3]).toBeCloseTo(start[3]! + 0.3, 2);
    expect(positions[0]).toBeCloseTo(start[0]!, 2);
    expect(simulation.gripperWidthM).toBeCloseTo(0.02, 2);
    expect(robot.reflex).toBeNull();
    robot.close();
  });
  it.each([
    [
      'too fast',
      (q: number, j: number) => (j === 1 ? q + 0.3 : q),
      NAMES,
      /joint 2 was sent from .* to .* rad within 0\.067 s/,
    ],
    ['out of its range', (q: number, j: number) => (j === 5 ? 4.6 : q), NAMES, /joint 6/],
    ['to nowhere', (q: number, j: number) => (j === 0 ? Number.NaN : q), NAMES, /joint 1 was sent from .* to NaN rad/],
    ['by the joints of another arm', (q: number) => q, NAMES.map((name) => name.replace('fr3', 'panda')), /to NaN rad/],
  ])('stands still in the mode "reflex" when it is sent %s', (_, change, names, message) => {
    const clock = new VirtualClock();
    const bus = new MemoryBus(clock);
    const robot = new SimulatedRobot(bus, arm, simulation, OPTIONS);
    const modes = heard(bus, '/mode', 'std_msgs/msg/String', LATCHED_QOS);
    const start = simulation.scene.startJoints;
    send(bus, start.map(change), names);
    expect(modes.map(({ data }) => data)).toEqual(['move', 'reflex']);
    expect(robot.reflex).toMatch(message);
    // Good commands do not wake it.
    for (let k = 1; k <= 5; k++) {
      send(
        bus,
        start.map((q) => q + 0.01 * k),
      );
      advance(clock, 1);
    }
    simulation.joints.positions.forEach((q, j) => {
      expect(q).toBeCloseTo(start[j]!, 2);
    });
    robot.close();
  });
  it('does the same for a width or a trajectory that says nothing', () => {
    for (const say of [
      (bus: MemoryBus) => {
        bus.advertise('/gripper', 'std_msgs/msg/Float64').publish({ data: Number.NaN });
      },
      (bus: MemoryBus) => {
        bus
          .advertise('/command', 'trajectory_msgs/msg/JointTrajectory')
          .publish({ header: { stamp: toTimeMessage(0n), frame_id: '' }, joint_names: NAMES, points: [] });
      },
    ]) {
      const bus = new MemoryBus(new VirtualClock());
      const robot = new SimulatedRobot(bus, arm, simulation, OPTIONS);
      const modes = heard(bus, '/mode', 'std_msgs/msg/String', LATCHED_QOS);
      say(bus);
      expect(modes.at(-1)).toEqual({ data: 'reflex' });
      expect(robot.reflex).toMatch(/the gripper was sent to NaN m|a trajectory has no point/);
      robot.close();
    }
  });
  it('keeps time with a real clock', async () => {
    const bus = new MemoryBus(new RealClock());
    const robot = new SimulatedRobot(bus, arm, simulation, OPTIONS);
    const stamps = heard(bus, '/joint_states', 'sensor_msgs/msg/JointState');
    const began = bus.clock.now();
    await bus.clock.sleepUntil(began + fromSeconds(1.5));
    robot.close();
    // A busy machine shows fewer pictures, and lets no time get lost.
    expect(stamps.length).toBeGreaterThan(2);
    expect(stamps.length).toBeLessThan(24);
    const last = fromTimeMessage(stamps.at(-1)!.header.stamp);
    expect(simulation.timeS).toBeCloseTo(Number(last - began) / 1e9, 1);
    await bus.close();
  });
  it('can be badly calibrated', () => {
    const poses = [undefined, [0.03, 0, 0] as const].map((calibrationErrorM) => {
      const bus = new MemoryBus(new VirtualClock());
      const robot = new SimulatedRobot(bus, arm, simulation, {
        ...OPTIONS,
        ...(calibrationErrorM && { calibrationErrorM }),
      });
      const [message] = heard(bus, '/tf_static', 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS);
      robot.close();
      return message!.transforms.map(({ transform }) => transform.translation.x);
    });
    expect(poses[1]![0]! - poses[0]![0]!).toBeCloseTo(0.03, 9);
    expect(poses[1]![1]).toBe(poses[0]![1]);
  });
});

describe('tasks', () => {
  it('are read from their words', () => {
    const { scene } = simulation;
    const [object, receptacle] = [scene.objects[1]!, scene.receptacles[1]!];
    const { task } = withTask(scene, `Please, put the ${object.label.toUpperCase()} into: ${receptacle.label}!`);
    expect([task.object, task.receptacle]).toEqual([object.name, receptacle.name]);
    // A user's own names may be written in any way.
    const named = { ...scene, objects: [{ ...object, label: 'dark-red soup_can' }] };
    expect(withTask(named, `Put the dark-red soup_can in the ${receptacle.label}`).task.object).toBe(object.name);
    expect(() => withTask(scene, `Put the pink elephant in the ${receptacle.label}`)).toThrow(
      /names no object of the scene of seed 4/,
    );
    expect(() => withTask(scene, `Put the ${object.label} away`)).toThrow(/names no receptacle/);
  });
  it('of training never move what is held out, nor from where that is', () => {
    let [objects, layouts] = [0, 0];
    for (let seed = 0; seed < 300; seed++) {
      expect(unseenIn(config, drawTrainingScene(config, seed))).toEqual({ object: false, layout: false });
      const { object, layout } = unseenIn(config, drawScene(config, seed));
      objects += Number(object);
      layouts += Number(layout);
    }
    // About a quarter of all objects and a fifth of all places.
    expect(objects).toBeGreaterThan(45);
    expect(layouts).toBeGreaterThan(35);
    const labels = ['cube', 'brick', 'can', 'ball'].flatMap((shape) =>
      Object.keys(config.colors).map((c) => `${c} ${shape}`),
    );
    const all = { ...config, heldOut: { objects: labels, start: config.table } };
    expect(() => drawTrainingScene(all, 1)).toThrow(/all \d objects of the scene of seed 1 are held out/);
  });
});

describe('what happened', () => {
  it('is where the points of a forecast then were', () => {
    const history = new MotionHistory(fromSeconds(0.1));
    const camera = { translation: [0, 0, 1] as const, rotation: [1, 0, 0, 0] as const };
    // Half a turn about the vertical in a second.
    for (let k = 0; k <= 10; k++) {
      const half = (Math.PI * k) / 20;
      history.add(
        fromSeconds(5 + 0.1 * k),
        { translation: [0.5, 0, 0], rotation: [0, 0, Math.sin(half), Math.cos(half)] },
        camera,
      );
    }
    const future = history.futureOf({
      forecaster: 'test',
      camera: 'exo',
      frameId: 'exo',
      stamp: fromSeconds(5),
      stepS: 0.5,
      instruction: '',
      start: [transformPoint(invert(camera), [0.6, 0, 0])],
      positions: [[null, null, null]],
    });
    const inWorld = future[0]!.map((point) => point && transformPoint(camera, point));
    expect(inWorld[0]).toEqual([expect.closeTo(0.5, 6), expect.closeTo(0.1, 6), expect.closeTo(0, 6)]);
    expect(inWorld[1]).toEqual([expect.closeTo(0.4, 6), expect.closeTo(0, 6), expect.closeTo(0, 6)]);
    // The simulation had ended.
    expect(inWorld[2]).toBeNull();
  });
  it('is known at the moments that were seen, however unevenly they came', () => {
    const history = new MotionHistory(fromSeconds(0.1));
    const camera = { translation: [0, 0, 0] as const, rotation: [0, 0, 0, 1] as const };
    for (const seconds of [0, 0.11, 0.19, 0.8, 0.91])
      history.add(fromSeconds(seconds), { translation: [seconds, 0, 0], rotation: [0, 0, 0, 1] }, camera);
    const future = history.futureOf({
      forecaster: 'test',
      camera: 'exo',
      frameId: 'exo',
      stamp: 0n,
      stepS: 0.1,
      instruction: '',
      start: [[0, 0, 1]],
      positions: [Array.from({ length: 10 }, () => null)],
    });
    const x = future[0]!.map((point) => point && point[0]);
    expect(x).toEqual([
      ...[0.11, 0.19].map((at) => expect.closeTo(at, 9)),
      ...[null, null, null, null, null],
      ...[0.8, 0.91].map((at) => expect.closeTo(at, 9)),
      null,
    ]);
  });
});
