import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SENSOR_QOS } from '../../src/bus/bus.js';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import type { MarkerArray, QueryPointsMessage } from '../../src/bus/messages.js';
import { toTimeMessage } from '../../src/core/time.js';
import { ExtrapolateForecaster } from '../../src/forecasting/baselines.js';
import { ClickGrounder } from '../../src/grounding/click-grounder.js';
import { pinholeInfo } from '../../src/recordings/pinhole-info.js';
import { findCameras } from '../../src/node/camera-topics.js';
import type { ForecastResult } from '../../src/node/forecast-result.js';
import { PlannerNode } from '../../src/node/planner-node.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';
import { cubeAt, measuredDepth, renderTabletop, tabletopCameras } from '../../src/recordings/synthetic/tabletop.js';

const WIDTH = 160;
const HEIGHT = 90;
const [exo, wrist] = tabletopCameras(WIDTH, HEIGHT) as [
  ReturnType<typeof tabletopCameras>[number],
  ReturnType<typeof tabletopCameras>[number],
];
const S = 1_000_000_000n;

let bus: MemoryBus<VirtualClock>;
let planner: PlannerNode;
let results: ForecastResult[];
let failures: unknown[];

function open(camera: string): void {
  bus = new MemoryBus(new VirtualClock(10n * S));
  const clicks = new ClickGrounder({ points: 8, seed: 0 });
  const cameras = findCameras(
    [exo, wrist].flatMap(({ name }) => [
      { topic: `/${name}/color/image_raw`, type: 'sensor_msgs/msg/Image' },
      { topic: `/${name}/color/camera_info`, type: 'sensor_msgs/msg/CameraInfo' },
      { topic: `/${name}/aligned_depth_to_color/image_raw`, type: 'sensor_msgs/msg/Image' },
    ]),
  );
  planner = new PlannerNode(
    bus,
    {
      feed: {
        topics: DEFAULT_TOPICS,
        cameras,
        forecastCamera: camera,
        window: { frames: 3, stepS: 1 / 15 },
        arm: { joints: null, ownJoints: ['fr3_joint1'] },
        instruction: null,
        maxIntervalS: 0.03,
        depthScaleM: 0.001,
      },
      forecasting: { periodS: 0.1, stepS: 1 / 15, transformWaitS: 0.2 },
      baseFrame: 'fr3_link0',
      fixedFrame: null,
      showsOverlay: true,
      diagnosticsPeriodS: 1,
    },
    {
      clicks,
      grounders: [clicks],
      forecaster: new ExtrapolateForecaster(10, 3),
      planning: null,
      execution: null,
      agreement: null,
    },
  );
  results = [];
  failures = [];
  planner.results.subscribe((result) => results.push(result));
  planner.failures.subscribe((error) => failures.push(error));
}

/** One picture with depth of a camera, `seconds` into the scene. */
async function picture(camera: typeof exo, seconds: number, change: { frameId?: string } = {}): Promise<void> {
  const time = 10n * S + BigInt(Math.round(seconds * 1e9));
  bus.clock.advanceTo(time);
  const header = { stamp: toTimeMessage(time), frame_id: `${camera.name}_optical_frame` };
  const rendering = renderTabletop(camera, seconds);
  const depth = measuredDepth(rendering, WIDTH, 1);
  const image = { width: WIDTH, height: HEIGHT, is_bigendian: 0 };
  bus
    .advertise(`/${camera.name}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS)
    .publish(pinholeInfo(camera.intrinsics, header));
  bus
    .advertise(`/${camera.name}/color/image_raw`, 'sensor_msgs/msg/Image', SENSOR_QOS)
    .publish({ header, ...image, encoding: 'rgb8', step: WIDTH * 3, data: rendering.color });
  bus.advertise(`/${camera.name}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', SENSOR_QOS).publish({
    header: { ...header, frame_id: change.frameId ?? header.frame_id },
    ...image,
    encoding: '16UC1',
    step: WIDTH * 2,
    data: new Uint8Array(depth.buffer),
  });
  await planner.settle();
}

function transform(camera: typeof exo, seconds: number): void {
  const {
    translation: [x, y, z],
    rotation: [qx, qy, qz, qw],
  } = camera.poseAt(seconds);
  const header = { stamp: toTimeMessage(10n * S + BigInt(Math.round(seconds * 1e9))), frame_id: 'world' };
  bus.advertise('/tf', 'tf2_msgs/msg/TFMessage').publish({
    transforms: [
      {
        header,
        child_frame_id: `${camera.name}_optical_frame`,
        transform: { translation: { x, y, z }, rotation: { x: qx, y: qy, z: qz, w: qw } },
      },
    ],
  });
}

function instruct(): void {
  bus
    .advertise(DEFAULT_TOPICS.instruction, 'std_msgs/msg/String')
    .publish({ data: 'Put the red cube in the blue bowl' });
}

/** Clicks where the cube is seen. */
function click(camera: typeof exo, seconds: number, frame = `${camera.name}_optical_frame`): void {
  const pose = camera.poseAt(seconds);
  const { fx, fy, cx, cy } = camera.intrinsics;
  const p = cubeAt(seconds);
  const d = [p[0] - pose.translation[0], p[1] - pose.translation[1], p[2] - pose.translation[2]] as const;
  const [qx, qy, qz, qw] = pose.rotation;
  const u = [-qx, -qy, -qz] as const;
  const t = [u[1] * d[2] - u[2] * d[1], u[2] * d[0] - u[0] * d[2], u[0] * d[1] - u[1] * d[0]] as const;
  const at = (i: 0 | 1 | 2): number =>
    d[i] +
    2 *
      (qw * t[i] +
        (i === 0 ? u[1] * t[2] - u[2] * t[1] : i === 1 ? u[2] * t[0] - u[0] * t[2] : u[0] * t[1] - u[1] * t[0]));
  bus.advertise(DEFAULT_TOPICS.click, 'geometry_msgs/msg/PointStamped').publish({
    header: { stamp: toTimeMessage(bus.clock.now()), frame_id: frame },
    point: { x: Math.round((fx * at(0)) / at(2) + cx), y: Math.round((fy * at(1)) / at(2) + cy), z: 0 },
  });
}

afterEach(async () => {
  await planner.close();
  await bus.close();
});

describe('the planner on a fixed camera', () => {
  beforeEach(() => {
    open('exo_camera_1');
  });

  it('given a click, lifts 8 points of the cube and forecasts its motion', async () => {
    instruct();
    await picture(exo, 2);
    await picture(exo, 2 + 1 / 15);
    click(exo, 2 + 2 / 15);
    await picture(exo, 2 + 2 / 15);
    expect(failures).toEqual([]);
    expect(results).toHaveLength(1);
    const { query, forecast, observation } = results[0]!;
    expect(query.points.filter((p) => p.position)).toHaveLength(8);
    expect(observation.cameras.get('exo_camera_1')).toHaveLength(3);
    const truth = (seconds: number): number =>
      Math.hypot(...cubeAt(seconds).map((v, i) => v - exo.poseAt(0).translation[i]!));
    // The cube's near side is seen, 3 cm before its middle.
    const distance = Math.hypot(...query.points[0]!.position!);
    expect(Math.abs(distance - (truth(2 + 2 / 15) - 0.03))).toBeLessThan(0.03);
    expect(forecast.positions[0]).toHaveLength(10);
    expect(forecast.frameId).toBe('exo_camera_1_optical_frame');
  });

  it('given a click beside everything, tells why and shows it', async () => {
    const seen: QueryPointsMessage[] = [];
    const markers: MarkerArray[] = [];
    bus
      .subscribe('/molmo_motion/query_points', 'molmo_motion_planner/msg/QueryPoints')
      .subscribe(({ message }) => seen.push(message));
    bus
      .subscribe('/molmo_motion/markers', 'visualization_msgs/msg/MarkerArray')
      .subscribe(({ message }) => markers.push(message));
    instruct();
    for (const i of [0, 1]) await picture(exo, 2 + i / 15);
    bus
      .advertise(DEFAULT_TOPICS.click, 'geometry_msgs/msg/PointStamped')
      .publish({ header: { stamp: { sec: 0, nanosec: 0 }, frame_id: '' }, point: { x: 5000, y: 1, z: 0 } });
    await picture(exo, 2 + 2 / 15);
    expect(results).toEqual([]);
    expect(planner.refusals.list[0]).toMatchObject({
      stage: 'grounding',
      code: 'grounding.no-point',
      message: expect.stringContaining('outside'),
    });
    expect(seen[0]).toMatchObject({ lifted: [false], refusals: [expect.stringContaining('outside')] });
    expect(markers[0]!.markers.map((m) => m.ns)).toContain('refused');
  });

  it('without an instruction counts why it does nothing', async () => {
    for (const i of [0, 1, 2]) await picture(exo, 2 + i / 15);
    expect(planner.refusals.list).toMatchObject([{ stage: 'grounding', code: 'instruction.empty' }]);
  });

  it('refuses depth that is not aligned to its colour', async () => {
    instruct();
    await picture(exo, 2, { frameId: 'exo_camera_1_depth_optical_frame' });
    expect(planner.refusals.list).toMatchObject([{ stage: 'sensing', code: 'depth.not-aligned' }]);
    expect(planner.counts.frames).toBe(0);
  });

  it('names a click of a camera that is not there', async () => {
    await picture(exo, 2);
    click(exo, 2, 'nose_optical_frame');
    expect(planner.refusals.list).toMatchObject([
      { code: 'click.camera', message: expect.stringContaining('nose_optical_frame') },
    ]);
  });

  it('forgets its history after a jump back of the clock', async () => {
    instruct();
    for (const i of [0, 1, 2]) await picture(exo, 2 + i / 15);
    await picture(exo, 1);
    click(exo, 1 + 1 / 15);
    await picture(exo, 1 + 1 / 15);
    expect(results).toEqual([]);
    await picture(exo, 1 + 2 / 15);
    expect(results).toHaveLength(1);
    expect(results[0]!.query.historyStamps.every((stamp) => stamp < 12n * S)).toBe(true);
  });

  it('reports a message that is no message', () => {
    bus.advertise('/joint_states', 'sensor_msgs/msg/JointState').publish(Uint8Array.of(0, 1, 0, 0, 9, 9));
    expect(planner.refusals.list).toMatchObject([{ stage: 'sensing', code: 'message.unreadable' }]);
  });
});

describe('the planner on a moving camera', () => {
  beforeEach(() => {
    open('wrist_camera');
  });

  it('waits for transforms that come after the picture, and then uses them', async () => {
    instruct();
    transform(wrist, 2);
    for (const i of [0, 1]) await picture(wrist, 2 + i / 15);
    click(wrist, 2 + 2 / 15);
    await picture(wrist, 2 + 2 / 15);
    expect([results.length, planner.refusals.list]).toEqual([0, []]);
    for (const i of [1, 2]) transform(wrist, 2 + i / 15);
    await planner.settle();
    expect(failures).toEqual([]);
    expect(results).toHaveLength(1);
    // The camera rides above the cube: in its frame nothing moves, in that of t0 the history shows the cube's own way.
    const { query } = results[0]!;
    const moved = query.history[0]!.flatMap((p, n) =>
      p ? [Math.hypot(...p.map((v, c) => v - query.history[2]![n]![c]!))] : [],
    );
    const way = Math.hypot(...cubeAt(2).map((v, c) => v - cubeAt(2 + 2 / 15)[c]!));
    expect(moved.length).toBeGreaterThan(3);
    for (const m of moved) expect(Math.abs(m - way)).toBeLessThan(0.02);
  });

  it('gives up waiting after a while, and says which transform is missing', async () => {
    instruct();
    transform(wrist, 2);
    for (const i of [0, 1]) await picture(wrist, 2 + i / 15);
    click(wrist, 2 + 2 / 15);
    for (const i of [2, 3, 4, 5, 6]) await picture(wrist, 2 + i / 15);
    expect(planner.refusals.list).toMatchObject([
      { stage: 'grounding', code: 'tf.extrapolation', message: expect.stringContaining('wrist_camera_optical_frame') },
    ]);
  });
});
