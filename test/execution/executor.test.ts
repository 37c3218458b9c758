import { describe, expect, it } from '@jest/globals';
import type { ActionChunk } from '../../src/core/action-chunk.js';
import { fromSeconds } from '../../src/core/time.js';
import { checkLatency, ChunkQueue, type QueueOptions } from '../../src/execution/chunk-queue.js';
import { Executor, type Command, type ExecutorOptions } from '../../src/execution/executor.js';
import { FRANKA_HAND, ROBOTIQ_2F85, stateOfWidth, widthOfCommand } from '../../src/core/gripper.js';
import { GripperSwitch, testGripper } from '../../src/execution/gripper.js';
import { prepareLimits } from '../../src/execution/limiter.js';
import { Watchdogs, type Fault } from '../../src/execution/watchdogs.js';
import { loadArm } from '../../src/files/arm-file.js';

const STEP_S = 1 / 15;
const HOME = [0, -0.7, 0, -2.3, 0, 1.57, 0];
const fr3 = await loadArm('fr3');
const panda = await loadArm('panda');

const at = (tick: number): bigint => fromSeconds(10 + tick * STEP_S);
const chunkOf = (tick: number, rows: readonly (readonly number[])[], instruction = 'go'): ActionChunk => ({
  planner: 'test',
  stamp: at(tick),
  stepS: STEP_S,
  instruction,
  steps: rows,
});
/** Joint 1 moves on by so much in each step. */
const sweep = (by: number, from = 0, length = 16): number[][] =>
  Array.from({ length }, (_, k) => [from + by * (k + 1), ...HOME.slice(1), 0]);
const stall: Fault = { code: 'stale.test', message: 'it stalled', remedy: 'look', reaction: 'brake' };

function executor(
  options: Partial<ExecutorOptions> = {},
  queue: Partial<QueueOptions> = {},
): { readonly executor: Executor; readonly queue: ChunkQueue } {
  const chunks = new ChunkQueue({ mode: 'asynchronous', executedSteps: 8, ...queue });
  return {
    queue: chunks,
    executor: new Executor({
      limits: prepareLimits(fr3, { periodS: STEP_S }),
      queue: chunks,
      gripper: new GripperSwitch({ convention: ROBOTIQ_2F85 }),
      ...options,
    }),
  };
}

describe('the stop latch', () => {
  it('sends nothing before a start, and nothing to a robot whose place is not known', () => {
    const { executor: arm, queue } = executor();
    queue.offer(chunkOf(0, sweep(0.01)), at(0));
    expect(arm.tick(at(0), HOME, [])).toBeNull();
    expect(() => {
      arm.start(at(0), null, []);
    }).toThrow(/where its joints are is not known/);
    expect(() => {
      arm.start(at(0), HOME, [stall]);
    }).toThrow(/it stalled/);
    expect(arm.phase).toBe('idle');
  });
  it('a second start of a running arm is refused', () => {
    const { executor: arm } = executor();
    arm.start(at(0), HOME, []);
    expect(() => {
      arm.start(at(1), HOME, []);
    }).toThrow(/active already/);
  });
  it('an arm that stands outside the limits of its model is not started: a Panda is no FR3', () => {
    const { executor: arm } = executor();
    expect(() => {
      arm.start(at(0), [0, -0.7, 0, -2.3, 0, 0.2, 0], []);
    }).toThrow(/joint 6 stands at 0\.2000 rad, outside the limits of the fr3/);
    const { executor: other } = executor({ limits: prepareLimits(panda, { periodS: STEP_S }) });
    other.start(at(0), [0, -0.7, 0, -2.3, 0, 0.2, 0], []);
    expect(other.phase).toBe('active');
  });
  it('a fault leads the arm to a stand within its limits, and it stays there until somebody starts it', () => {
    const { executor: arm, queue } = executor();
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, sweep(0.12)), at(0));
    let last: Command | null = null;
    let measured = HOME;
    for (let tick = 0; tick < 6; tick++) {
      last = arm.tick(at(tick), measured, []);
      measured = [...last!.positions];
    }
    expect(last!.velocities[0]).toBeGreaterThan(1.5);
    const speeds: number[] = [];
    for (let tick = 6; tick < 30; tick++) {
      const command = arm.tick(at(tick), measured, [stall]);
      if (!command) break;
      speeds.push(command.velocities[0]!);
      measured = [...command.positions];
    }
    // Falling by no more than 10 rad/s^2, to zero.
    expect(speeds.length).toBeGreaterThan(1);
    speeds.forEach((speed, i) => {
      const before = i === 0 ? last!.velocities[0]! : speeds[i - 1]!;
      expect(before - speed).toBeLessThanOrEqual(10 * STEP_S + 1e-6);
      expect(speed).toBeLessThan(before);
    });
    expect(speeds.at(-1)).toBe(0);
    expect(arm.phase).toBe('stopped');
    expect(arm.lastStop).toMatchObject({ code: 'stale.test', message: 'it stalled' });
    queue.offer(chunkOf(30, sweep(0.12)), at(30));
    expect(arm.tick(at(31), measured, [])).toBeNull();
  });
  it('begins anew at the measured joints: nothing of what was before is left', () => {
    const { executor: arm, queue } = executor();
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, sweep(0.05)), at(0));
    arm.tick(at(0), HOME, []);
    arm.stop(at(1), { ...stall, reaction: 'silent' });
    expect([arm.phase, arm.tick(at(1), HOME, [])]).toEqual(['stopped', null]);
    const moved = HOME.map((q) => q + 0.1);
    arm.start(at(50), moved, []);
    const first = arm.tick(at(50), moved, [])!;
    expect(first.step).toBeNull();
    expect(first.positions).toEqual(moved);
  });
  it.each([
    [
      'a value that is no number',
      [[Number.NaN, ...HOME.slice(1), 0]],
      HOME,
      /step 0 of a chunk of test has NaN as its value 1/,
    ],
    ['a gripper command that is none', [[...HOME, Number.NaN]], HOME, /NaN as its value 8/],
    ['a chunk for another arm', [[...HOME.slice(1), 0]], HOME, /6 proposed positions were given for the 7 joints/],
    ['joints that are no numbers', sweep(0.01), [Number.NaN, ...HOME.slice(1)], /measured position of joint 1 is NaN/],
  ])('%s stops the arm', (_, rows, measured, message) => {
    const { executor: arm, queue } = executor();
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, rows), at(0));
    expect(arm.tick(at(0), measured, [])).toBeNull();
    expect(arm.phase).toBe('stopped');
    expect(arm.lastStop!.message).toMatch(message);
  });
  it('numbers that are nearly nothing do no harm', () => {
    const { executor: arm, queue } = executor();
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, [[5e-324, ...HOME.slice(1), 0]]), at(0));
    expect(arm.tick(at(0), HOME, [])!.positions[0]).toBeCloseTo(0, 12);
  });
  it('a robot that does not follow is stopped', () => {
    const { executor: arm, queue } = executor({
      limits: prepareLimits(fr3, { periodS: STEP_S, maxDeltaRad: null }),
      maxTrackingErrorRad: 0.1,
    });
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, sweep(0.05)), at(0));
    for (let tick = 0; tick < 10 && arm.phase === 'active'; tick++) arm.tick(at(tick), HOME, []);
    expect(arm.lastStop).toMatchObject({
      code: 'executor.tracking',
      message: expect.stringMatching(/joint 1 .*does not follow/),
    });
  });
  it('ticks at once change nothing; after a long gap nothing is sent any more', () => {
    const { executor: arm, queue } = executor();
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, sweep(0.02)), at(0));
    expect(arm.tick(at(0), HOME, [])).not.toBeNull();
    expect(arm.tick(at(0), HOME, [])).toBeNull();
    expect(arm.phase).toBe('active');
    expect(arm.tick(at(20), HOME, [])).toBeNull();
    expect([arm.phase, arm.lastStop!.code]).toEqual(['stopped', 'limiter.dt']);
  });
  it('starts slowly where it is told so', () => {
    const { executor: arm, queue } = executor({ slowStart: { scale: 0.05, overS: 1 } });
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, sweep(0.1)), at(0));
    let measured = HOME;
    const speeds = Array.from({ length: 16 }, (_, tick) => {
      const command = arm.tick(at(tick), measured, [])!;
      measured = [...command.positions];
      return command.velocities[0]!;
    });
    expect(speeds[0]).toBeCloseTo(0.05 * 2.62, 3);
    expect(speeds[7]).toBeLessThan(1.5);
    expect(speeds[14]).toBeGreaterThan(1.4);
  });
  it('takes changes of the joints where the policy gives these', () => {
    const { executor: arm, queue } = executor({ relative: true });
    arm.start(at(0), HOME, []);
    queue.offer(chunkOf(0, [[0.01, 0, 0, 0, 0, 0, 0, 0]]), at(0));
    expect(arm.tick(at(0), HOME, [])!.positions[0]).toBeCloseTo(0.01, 9);
  });
});

describe('the queue, asynchronously', () => {
  it('leaves out the steps that are over when a chunk comes, and goes on to the end while the next one is late', () => {
    const { queue } = executor();
    expect(queue.wantsChunk(at(0))).toBe(true);
    expect(queue.offer(chunkOf(0, sweep(0.01)), at(2))).toBe('taken');
    expect(queue.next(at(2))!.index).toBe(2);
    // Eight are executed from there, and a chunk takes two steps.
    expect(queue.wantsChunk(at(7), 2 * STEP_S)).toBe(false);
    expect(queue.wantsChunk(at(8), 2 * STEP_S)).toBe(true);
    expect(queue.next(at(15))!.index).toBe(15);
    expect(queue.next(at(16))).toBeNull();
    expect(queue.offer(chunkOf(0, sweep(0.01)), at(17))).toBe('late');
    expect(queue.figures()).toMatchObject({ chunks: 1, late: 1, overruns: 1 });
  });
  it('tells how much of the chunk before was left', () => {
    const { queue } = executor();
    queue.offer(chunkOf(0, sweep(0.01)), at(1));
    queue.offer(chunkOf(8, sweep(0.01)), at(10));
    expect(queue.figures().slack_s!.least).toBeCloseTo(6 * STEP_S, 6);
  });
  it('goes over from one chunk to the next where it is told to blend, but not with the gripper', () => {
    const { queue } = executor({}, { blendSteps: 3 });
    queue.offer(chunkOf(0, sweep(0)), at(0));
    queue.next(at(0));
    queue.offer(
      chunkOf(
        4,
        Array.from({ length: 16 }, () => [0.4, ...HOME.slice(1), 255]),
      ),
      at(5),
    );
    expect([5, 6, 7, 8].map((tick) => queue.next(at(tick))!.action[0])).toEqual([
      0.1,
      0.2,
      expect.closeTo(0.3, 9),
      0.4,
    ]);
    expect(queue.next(at(9))!.action.at(-1)).toBe(255);
  });
  it('another task empties it, and its chunks are not taken', () => {
    const { queue } = executor();
    queue.setInstruction('go');
    queue.offer(chunkOf(0, sweep(0.01)), at(0));
    queue.setInstruction('go');
    expect(queue.next(at(0))).not.toBeNull();
    queue.setInstruction('come');
    expect(queue.next(at(1))).toBeNull();
    expect(queue.offer(chunkOf(1, sweep(0.01)), at(1))).toBe('other-task');
    expect(queue.offer(chunkOf(1, sweep(0.01), 'come'), at(1))).toBe('taken');
    // The same one again would be executed twice.
    expect(queue.offer(chunkOf(1, sweep(0.01), 'come'), at(1))).toBe('older');
    expect(queue.offer(chunkOf(0, sweep(0.01), 'come'), at(1))).toBe('older');
  });
  it('refuses options and latencies that cannot work', () => {
    expect(() => new ChunkQueue({ mode: 'asynchronous', executedSteps: 0 })).toThrow(/0 executed steps/);
    const options = { mode: 'asynchronous', executedSteps: 8 } as const;
    checkLatency(options, 16, STEP_S, 0.5);
    expect(() => {
      checkLatency(options, 16, STEP_S, 0.54);
    }).toThrow(/only 0\.533 s/);
    checkLatency({ ...options, mode: 'synchronous' }, 16, STEP_S, 5);
  });
});

describe('the gripper', () => {
  it('opens and closes by the threshold, once, and not before it is sure', () => {
    const gripper = new GripperSwitch({ convention: ROBOTIQ_2F85, debounceTicks: 2 });
    expect([128, 128, 128].map((c) => gripper.update(c))).toEqual([null, 0.085, null]);
    expect([129, 0, 200, 200, 255].map((c) => gripper.update(c))).toEqual([null, null, null, 0, null]);
  });
  it('is the same share of another one', () => {
    expect(widthOfCommand(0, FRANKA_HAND)).toBe(0.08);
    expect(widthOfCommand(255, FRANKA_HAND)).toBe(0);
    expect(stateOfWidth(0.04, FRANKA_HAND)).toBeCloseTo(0.824033 / 2, 6);
  });
  const selfTest = (follow: (asked: number) => number | null): ReturnType<typeof testGripper> => {
    let width: number | null = null;
    return testGripper({
      send: (asked) => (width = follow(asked)),
      measured: () => width,
      sleep: () => Promise.resolve(),
      interrupted: () => null,
      convention: ROBOTIQ_2F85,
      timeoutS: 1,
    });
  };
  it('tests itself: open, closed, open', async () => {
    expect((await selfTest((asked) => asked)).map(({ askedM }) => askedM)).toEqual([0.085, 0, 0.085]);
    await expect(selfTest((asked) => Math.max(asked, 0.03))).rejects.toMatchObject({
      code: 'gripper.stuck',
      message: expect.stringMatching(/sent to 0 m and stands at 0\.0300 m/),
    });
    await expect(selfTest(() => null)).rejects.toMatchObject({ code: 'gripper.silent' });
  });
});

describe('watchdogs', () => {
  it('judge age by a clock that never jumps, and by the stamp', () => {
    let monotonic = 0;
    const dogs = new Watchdogs({ joints: { what: 'joint states', maxAgeS: 0.2 } }, () => monotonic);
    const codes = (nowS: number): string[] => dogs.faults(fromSeconds(nowS)).map(({ code }) => code);
    expect(codes(100)).toEqual(['missing.joints']);
    dogs.saw('joints', fromSeconds(100));
    expect(codes(100.1)).toEqual([]);
    monotonic = 0.3;
    expect(codes(100.1)).toEqual(['stale.joints']);
    dogs.saw('joints', fromSeconds(90));
    expect(codes(100.3)).toEqual(['stale.joints']);
    // By more than two clocks may differ (0.1 s), though by less than the age that is allowed (0.2 s).
    dogs.saw('joints', fromSeconds(100.45));
    expect(codes(100.3)).toEqual(['ahead.joints']);
    dogs.clear();
    expect(codes(100.3)).toEqual(['missing.joints']);
  });
  it('see that a picture is always the same', () => {
    let monotonic = 0;
    const dogs = new Watchdogs({ camera: { what: 'camera', maxAgeS: 1, maxSameS: 0.5 } }, () => monotonic);
    for (; monotonic < 0.5; monotonic += 0.1) dogs.saw('camera', fromSeconds(5 + monotonic), 'x');
    expect(dogs.faults(fromSeconds(5.5))).toEqual([]);
    monotonic = 0.61;
    dogs.saw('camera', fromSeconds(5.6), 'x');
    expect(dogs.faults(fromSeconds(5.6)).map(({ code }) => code)).toEqual(['constant.camera']);
    dogs.saw('camera', fromSeconds(5.7), 'y');
    expect(dogs.faults(fromSeconds(5.7))).toEqual([]);
  });
});
