import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import type { JointTrajectory } from '../../src/bus/messages.js';
import { ROBOTIQ_2F85, stateOfWidth } from '../../src/core/gripper.js';
import { fromSeconds, fromTimeMessage, toSeconds } from '../../src/core/time.js';
import type { QueueOptions } from '../../src/execution/chunk-queue.js';
import { loadArm } from '../../src/files/arm-file.js';
import { ExecutionStage } from '../../src/node/execution-stage.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';

const STEP_S = 1 / 15;
const HOME = [0, -0.7, 0, -2.3, 0, 1.57, 0];
const fr3 = await loadArm('fr3');

let clock: VirtualClock;
let bus: MemoryBus<VirtualClock>;
let stage: ExecutionStage;
let sent: JointTrajectory[];
let shown: JointTrajectory[];
let widths: number[];

function makeStage(mode: QueueOptions['mode'], simulatedLatencyS?: () => number): ExecutionStage {
  return new ExecutionStage(bus, {
    arm: fr3,
    limiter: { periodS: STEP_S },
    queue: { mode, executedSteps: 8 },
    gripper: { convention: ROBOTIQ_2F85 },
    dryRun: true,
    commitTicks: 2,
    historyTicks: 2,
    tracking: null,
    latencyS: 0,
    ...(simulatedLatencyS && { simulatedLatencyS }),
    cameras: [],
    maxAgeS: { images: 0.5, joints: 0.3, transforms: null, chunk: 2, samePicture: 2 },
    movingModes: ['move'],
    topics: DEFAULT_TOPICS,
    monotonicS: () => toSeconds(clock.now()),
  });
}

beforeEach(() => {
  clock = new VirtualClock(fromSeconds(100));
  bus = new MemoryBus(clock);
  stage = makeStage('asynchronous');
  [sent, shown, widths] = [[], [], []];
  bus
    .subscribe(DEFAULT_TOPICS.command, 'trajectory_msgs/msg/JointTrajectory')
    .subscribe(({ message }) => sent.push(message));
  bus
    .subscribe(DEFAULT_TOPICS.command_preview, 'trajectory_msgs/msg/JointTrajectory')
    .subscribe(({ message }) => shown.push(message));
  bus.subscribe(DEFAULT_TOPICS.gripper, 'std_msgs/msg/Float64').subscribe(({ message }) => widths.push(message.data));
});
afterEach(async () => {
  stage.close();
  await bus.close();
});

const call = (name: string): Promise<{ success: boolean; message: string }> =>
  bus.call(name, 'std_srvs/srv/Trigger', {});
const dryRun = (data: boolean): Promise<{ success: boolean; message: string }> =>
  bus.call(DEFAULT_TOPICS.dry_run, 'std_srvs/srv/SetBool', { data });
const names = HOME.map((_, j) => `fr3_joint${j + 1}`);

/** A robot that stands at home, and a plan for it, tick after tick. */
function advance(ticks: number, gripper = 255): void {
  for (let i = 0; i < ticks; i++) {
    clock.advanceTo(clock.now() + fromSeconds(STEP_S));
    stage.sawJoints({ stamp: clock.now(), names, positions: HOME, velocities: null });
    const steps = Array.from({ length: 16 }, () => [0.01, ...HOME.slice(1), gripper]);
    stage.offer({ planner: 'test', stamp: clock.now(), stepS: STEP_S, instruction: '', steps });
  }
}

describe('starting and stopping', () => {
  it('only shows its commands until somebody turns the dry run off', async () => {
    advance(2);
    expect(await call(DEFAULT_TOPICS.start)).toEqual({ success: true, message: expect.stringMatching(/dry run/) });
    advance(5);
    expect([shown.length > 3, sent, widths]).toEqual([true, [], []]);
    // Not while it is active.
    expect(await dryRun(false)).toMatchObject({ success: false, message: expect.stringMatching(/the arm is active/) });
    await call(DEFAULT_TOPICS.stop);
    advance(5);
    expect(stage.phase).toBe('stopped');
    expect(await dryRun(false)).toMatchObject({ success: true });
    const before = shown.length;
    await call(DEFAULT_TOPICS.start);
    advance(5);
    expect([sent.length > 3, shown.length]).toEqual([true, before]);
    expect(sent.at(-1)!.joint_names).toEqual(names);
    // From the past to a rest, and that half a second longer.
    const { points, header } = sent.at(-1)!;
    expect(toSeconds(clock.now() - fromTimeMessage(header.stamp))).toBeCloseTo(2 * STEP_S, 6);
    expect(Array.from(points.at(-1)!.velocities)).toEqual(HOME.map(() => 0));
    const [rest, last] = points.slice(-2).map(({ time_from_start: after }) => toSeconds(fromTimeMessage(after)));
    expect(last! - rest!).toBeCloseTo(0.5, 6);
    expect(widths).toEqual([0]);
  });
  it('says why it does not start', async () => {
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({
      success: false,
      message: expect.stringMatching(/joint states: nothing has come/),
    });
  });
  it('a plan from before a stop is not executed after the next start', async () => {
    await dryRun(false);
    advance(1);
    await call(DEFAULT_TOPICS.start);
    advance(4);
    const old = clock.now();
    await call(DEFAULT_TOPICS.stop);
    advance(20);
    await call(DEFAULT_TOPICS.start);
    sent.length = 0;
    const away = Array.from({ length: 16 }, () => [0.5, ...HOME.slice(1), 0]);
    // It was under way when the arm was stopped, and has steps left by its times.
    stage.offer({ planner: 'test', stamp: clock.now() - fromSeconds(0.2), stepS: 0.5, instruction: '', steps: away });
    stage.offer({ planner: 'test', stamp: old, stepS: 1, instruction: '', steps: away });
    clock.advanceTo(clock.now() + fromSeconds(STEP_S));
    expect(sent).toHaveLength(1);
    for (const { positions } of sent[0]!.points) expect(positions).toEqual(HOME);
  });
  it('a robot that leaves its mode gets nothing more', async () => {
    await dryRun(false);
    advance(1);
    await call(DEFAULT_TOPICS.start);
    advance(4);
    bus.advertise(DEFAULT_TOPICS.robot_mode, 'std_msgs/msg/String').publish({ data: 'move' });
    expect(stage.phase).toBe('active');
    const before = sent.length;
    bus.advertise(DEFAULT_TOPICS.robot_mode, 'std_msgs/msg/String').publish({ data: 'reflex' });
    expect(stage.status()).toMatchObject({ phase: 'stopped', lastStop: { code: 'robot.mode' } });
    advance(4);
    expect(sent).toHaveLength(before);
  });
});

describe('the test of the gripper', () => {
  it('moves the gripper and nothing else, and not while the arm moves', async () => {
    expect(await call(DEFAULT_TOPICS.gripper_test)).toMatchObject({
      success: false,
      message: expect.stringMatching(/dry run/),
    });
    await dryRun(false);
    bus.subscribe(DEFAULT_TOPICS.gripper, 'std_msgs/msg/Float64').subscribe(({ message }) => {
      stage.sawGripper(stateOfWidth(message.data, ROBOTIQ_2F85));
    });
    const answer = call(DEFAULT_TOPICS.gripper_test);
    for (let i = 0; i < 20; i++) {
      clock.advanceTo(clock.now() + fromSeconds(0.1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await answer).toMatchObject({ success: true, message: expect.stringMatching(/open, closed, open/) });
    expect(widths).toEqual([0.085, 0, 0.085]);
    expect(sent).toEqual([]);
    advance(1);
    await call(DEFAULT_TOPICS.start);
    expect(await call(DEFAULT_TOPICS.gripper_test)).toMatchObject({
      success: false,
      message: expect.stringMatching(/the arm moves/),
    });
  });
});

describe('waiting for a chunk in synchronous mode', () => {
  it('leads the arm to a stand, within its limits as they are sent, and goes on when the chunk comes', async () => {
    stage.close();
    stage = makeStage('synchronous');
    await dryRun(false);
    /** Where the arm is: on the curve that it was sent. */
    let at: readonly number[] = HOME;
    let restsFrom = 0;
    stage.commands.subscribe(({ timeline, tick }) => {
      at = Array.from(timeline.tick(tick).positions);
      restsFrom = timeline.restsFrom - tick;
    });
    const pass = (): void => {
      clock.advanceTo(clock.now() + fromSeconds(STEP_S));
      stage.sawJoints({ stamp: clock.now(), names, positions: at, velocities: null });
    };
    const offer = (speed: number): void => {
      const steps = Array.from({ length: 16 }, (_, k) => [at[0]! + speed * STEP_S * (k + 1), ...HOME.slice(1), 0]);
      stage.offer({ planner: 'test', stamp: clock.now(), stepS: STEP_S, instruction: '', steps });
    };
    pass();
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({ success: true });
    for (let slot = 0; slot < 2; slot++) pass();
    offer(1.2);
    for (let slot = 0; slot < 9; slot++) pass();
    const moving = sent.length;
    expect(moving).toBeGreaterThanOrEqual(8);
    // The last message before the wait ends at rest: 1.2 rad/s are gone within two ticks, after the two that are committed.
    expect(restsFrom).toBeLessThanOrEqual(5);
    // Nothing comes for a while: from the second slot on each one gets a command, and the arm stands.
    for (let slot = 0; slot < 12; slot++) pass();
    expect(sent.length - moving).toBeGreaterThanOrEqual(10);
    expect(restsFrom).toBeLessThanOrEqual(0);
    expect(stage.phase).toBe('active');
    const stood = at[0]!;
    offer(0.5);
    for (let slot = 0; slot < 8; slot++) pass();
    expect(at[0]).toBeGreaterThan(stood + 0.05);
  });
});

describe('a start that is refused', () => {
  const seen = (velocity: number, ageS = 0): void => {
    const stamp = clock.now() - fromSeconds(ageS);
    stage.sawJoints({ stamp, names, positions: HOME, velocities: HOME.map((_, j) => (j === 2 ? velocity : 0)) });
  };
  it('names a moving arm, old joint states, and a mode that was heard before', async () => {
    seen(0.05);
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({
      success: false,
      message: expect.stringMatching(/joint 3 moves by 0\.050 rad\/s/),
    });
    // Younger than the 0.3 s of the watchdog, and still older than two messages at 15 Hz.
    seen(0, 0.29);
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({
      success: false,
      message: expect.stringMatching(/joint states are 0\.29 s old/),
    });
    seen(0);
    const mode = bus.advertise(DEFAULT_TOPICS.robot_mode, 'std_msgs/msg/String');
    mode.publish({ data: 'reflex' });
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({
      success: false,
      message: expect.stringMatching(/in mode "reflex"/),
    });
    expect(stage.phase).toBe('idle');
    mode.publish({ data: 'move' });
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({ success: true });
  });
  it('does not make the plan of a running arm look fresh', async () => {
    advance(1);
    await call(DEFAULT_TOPICS.start);
    const wait = async (seconds: number): Promise<void> => {
      for (let passed = 0; passed < seconds; passed += STEP_S) {
        clock.advanceTo(clock.now() + fromSeconds(STEP_S));
        seen(0);
        if (stage.phase !== 'active') return;
        expect(await call(DEFAULT_TOPICS.start)).toMatchObject({ success: false });
      }
    };
    await wait(2.3);
    expect(stage.status().lastStop).toMatchObject({ code: 'stale.chunk' });
  });
});

describe('an object in the gripper', () => {
  const plan = async (ticks: number, gripper: number): Promise<void> => {
    advance(ticks, gripper);
    await Promise.resolve();
  };
  it('is not dropped by a start after a stop, until the plan has closed the gripper itself', async () => {
    await dryRun(false);
    advance(1);
    await call(DEFAULT_TOPICS.start);
    await plan(6, 255);
    expect(widths).toEqual([0]);
    // It stands at 30 mm, and was sent to 0: something is in between.
    stage.sawGripper(stateOfWidth(0.03, ROBOTIQ_2F85));
    await call(DEFAULT_TOPICS.stop);
    await plan(10, 0);
    expect(await call(DEFAULT_TOPICS.start)).toMatchObject({ message: expect.stringMatching(/stays shut/) });
    await plan(10, 0);
    expect(widths).toEqual([0]);
    await plan(20, 255);
    await plan(20, 0);
    expect(widths).toEqual([0, 0, 0.085]);
  });
});

describe('the end of a test of the gripper', () => {
  const passes = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      clock.advanceTo(clock.now() + fromSeconds(0.1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  it.each([
    ['a stop', (): unknown => call(DEFAULT_TOPICS.stop), /somebody asked for a stop/],
    ['a dry run', (): unknown => dryRun(true), /this is a dry run now/],
    [
      'a reflex',
      (): unknown => {
        bus.advertise(DEFAULT_TOPICS.robot_mode, 'std_msgs/msg/String').publish({ data: 'reflex' });
        return null;
      },
      /in mode "reflex"/,
    ],
  ])('comes with %s: nothing more is sent', async (_, interrupt, why) => {
    await dryRun(false);
    const answer = call(DEFAULT_TOPICS.gripper_test);
    await passes();
    expect(widths).toEqual([0.085]);
    await interrupt();
    stage.sawGripper(stateOfWidth(0.085, ROBOTIQ_2F85));
    await passes();
    expect(await answer).toMatchObject({ success: false, message: expect.stringMatching(why) });
    expect(widths).toEqual([0.085]);
  });
  it('is not begun by a robot in a reflex', async () => {
    await dryRun(false);
    bus.advertise(DEFAULT_TOPICS.robot_mode, 'std_msgs/msg/String').publish({ data: 'reflex' });
    expect(await call(DEFAULT_TOPICS.gripper_test)).toMatchObject({
      success: false,
      message: expect.stringMatching(/in mode "reflex"/),
    });
    expect(widths).toEqual([]);
  });
});

describe('a chunk that is on its way', () => {
  it('is still waited for when one that was given up comes', async () => {
    stage.close();
    let latencyS = 0.2;
    stage = makeStage('asynchronous', () => latencyS);
    const pass = async (): Promise<void> => {
      clock.advanceTo(clock.now() + fromSeconds(STEP_S));
      stage.sawJoints({ stamp: clock.now(), names, positions: HOME, velocities: null });
      await new Promise((resolve) => setImmediate(resolve));
    };
    const promise = (instruction: string): void => {
      const steps = Array.from({ length: 16 }, () => [...HOME, 0]);
      stage.offer({ planner: 'test', stamp: clock.now(), stepS: STEP_S, instruction, steps });
    };
    await pass();
    await call(DEFAULT_TOPICS.start);
    // The resting curve comes first.
    for (let slot = 0; slot < 2; slot++) await pass();
    expect(stage.wantsChunk()).toBe(true);
    promise('');
    expect(stage.wantsChunk()).toBe(false);
    stage.setInstruction('another task');
    latencyS = 0.8;
    promise('another task');
    // 0.47 s: the first would have come, the second is still under way.
    for (let slot = 0; slot < 7; slot++) await pass();
    expect(stage.wantsChunk()).toBe(false);
    expect(stage.figures().queue.chunks).toBe(0);
    for (let slot = 0; slot < 7; slot++) await pass();
    expect(stage.figures().queue.chunks).toBe(1);
  });
});
