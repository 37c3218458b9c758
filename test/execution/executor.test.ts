import { describe, expect, it } from '@jest/globals';
import type { ActionChunk } from '../../src/core/action-chunk.js';
import type { JointPositions } from '../../src/core/joint-state.js';
import { fromSeconds } from '../../src/core/time.js';
import { checkLatency, ChunkQueue, type QueueOptions } from '../../src/execution/chunk-queue.js';
import { Executor, type Command, type ExecutorOptions } from '../../src/execution/executor.js';
import { FRANKA_HAND, ROBOTIQ_2F85, stateOfWidth, widthOfCommand } from '../../src/core/gripper.js';
import { GripperSwitch, testGripper } from '../../src/execution/gripper.js';
import { prepareLimits } from '../../src/execution/limiter.js';
import { DEFAULT_TRACKING } from '../../src/execution/tracking.js';
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
      commitTicks: 2,
      tracking: DEFAULT_TRACKING,
      ...options,
    }),
  };
}

const measuredAt = (tick: number, positions: readonly number[]): JointPositions => ({
  stamp: at(tick),
  names: positions.map((_, j) => `joint${j + 1}`),
  positions,
  velocities: null,
});
const start = (
  arm: Executor,
  tick: number,
  positions: readonly number[],
  reference: readonly number[] | null = null,
): void => {
  arm.start(at(tick), { measured: measuredAt(tick, positions), reference, faults: [] });
};
/** An arm that is exactly on its curve, tick after tick. @returns the last command. */
function run(arm: Executor, from: number, to: number): Command {
  let last: Command | null = null;
  for (let tick = from; tick <= to; tick++) {
    if (arm.timeline) {
      const joints = measuredAt(tick, arm.timeline.at(at(tick)).positions);
      arm.sawMeasured(joints);
      arm.judgeMeasured(at(tick), joints);
    }
    last = arm.tick(at(tick), []);
  }
  return last!;
}

describe('the stop latch', () => {
  it('sends nothing before a start, and nothing to a robot whose place is not known', () => {
    const { executor: arm, queue } = executor();
    queue.offer(chunkOf(0, sweep(0.01)), at(0));
    expect(arm.tick(at(0), [])).toBeNull();
    expect(() => {
      arm.start(at(0), { measured: null, reference: null, faults: [] });
    }).toThrow(/where its joints are is not known/);
    expect(() => {
      arm.start(at(0), { measured: measuredAt(0, HOME), reference: null, faults: [stall] });
    }).toThrow(/it stalled/);
    expect(arm.phase).toBe('idle');
  });
  it('a second start of a running arm is refused', () => {
    const { executor: arm } = executor();
    start(arm, 0, HOME);
    expect(() => {
      start(arm, 1, HOME);
    }).toThrow(/active already/);
  });
  it('an arm that stands outside the limits of its model is not started: a Panda is no FR3', () => {
    const { executor: arm } = executor();
    const elsewhere = [0, -0.7, 0, -2.3, 0, 0.2, 0];
    expect(() => {
      start(arm, 0, elsewhere);
    }).toThrow(/joint 6 stands at 0\.2000 rad, outside the limits of the fr3/);
    const { executor: other } = executor({ limits: prepareLimits(panda, { periodS: STEP_S }) });
    start(other, 0, elsewhere);
    expect(other.phase).toBe('active');
  });
  it('a fault leads the arm to a stand as fast as the limits allow, and it stays there until somebody starts it', () => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, sweep(0.12)), at(3));
    const before = run(arm, 3, 10);
    expect(before.velocities[0]).toBeGreaterThan(1.5);
    let ticks = 0;
    for (let tick = 11; arm.phase !== 'stopped'; tick++, ticks++) {
      arm.sawMeasured(measuredAt(tick, arm.timeline!.at(at(tick)).positions));
      expect(arm.tick(at(tick), [stall])).not.toBeNull();
    }
    // Two ticks are committed; 1.8 rad/s are gone within three ticks at 10 rad/s^2, and one more spreads their jerk.
    expect(ticks).toBeLessThanOrEqual(2 + 3 + 2);
    expect(arm.lastStop).toMatchObject({ code: 'stale.test', message: 'it stalled' });
    queue.offer(chunkOf(30, sweep(0.12)), at(30));
    expect(arm.tick(at(31), [])).toBeNull();
  });
  it('begins anew at the measured joints: nothing of what was before is left', () => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, sweep(0.05)), at(3));
    run(arm, 3, 6);
    arm.stop(at(7), { ...stall, reaction: 'silent' });
    expect([arm.phase, arm.tick(at(7), [])]).toEqual(['stopped', null]);
    const moved = HOME.map((q) => q + 0.1);
    start(arm, 50, moved);
    const first = run(arm, 51, 51);
    expect(first.step).toBeNull();
    expect([first.positions, first.velocities.every((v) => v === 0)]).toEqual([moved, true]);
  });
  it.each([
    [
      'a value that is no number',
      [[Number.NaN, ...HOME.slice(1), 0]],
      HOME,
      /step 0 of a chunk of test has NaN as its value 1/,
    ],
    ['a gripper command that is none', [[...HOME, Number.NaN]], HOME, /NaN as its value 8/],
    [
      'a chunk for another arm',
      [[...HOME.slice(1), 0]],
      HOME,
      /step 0 of a chunk of test has 7 values, where .* need 8/,
    ],
    ['joints that are no numbers', sweep(0.01), [Number.NaN, ...HOME.slice(1)], /measured position of joint 1 is NaN/],
  ])('%s stops the arm', (_, rows, measured, message) => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, rows), at(3));
    arm.sawMeasured(measuredAt(3, measured));
    expect(arm.tick(at(3), [])).toBeNull();
    expect(arm.phase).toBe('stopped');
    expect(arm.lastStop!.message).toMatch(message);
  });
  it('numbers that are nearly nothing do no harm', () => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, [[5e-324, ...HOME.slice(1), 0]]), at(3));
    expect(run(arm, 3, 4).positions[0]).toBeCloseTo(0, 12);
  });
  it('ticks at once change nothing; after a long gap nothing is sent any more', () => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, sweep(0.02)), at(3));
    expect(arm.tick(at(3), [])).not.toBeNull();
    expect(arm.tick(at(3), [])).toBeNull();
    expect(arm.phase).toBe('active');
    expect(arm.tick(at(20), [])).toBeNull();
    expect([arm.phase, arm.lastStop!.code]).toEqual(['stopped', 'executor.gap']);
  });
  it('a tick that is missed is the tail that the robot was already sent', () => {
    const { executor: arm, queue } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, sweep(0.1)), at(3));
    run(arm, 3, 8);
    const sent = [9, 10, 11, 12].map((tick) => arm.timeline!.tick(tick).positions[0]);
    arm.sawMeasured(measuredAt(10, arm.timeline!.at(at(10)).positions));
    arm.tick(at(10), []);
    // Tick 9 never came: up to tick 11 everything is as it was sent at tick 8.
    expect([9, 10, 11].map((tick) => arm.timeline!.tick(tick).positions[0])).toEqual(sent.slice(0, 3));
    expect(arm.timeline!.tick(12).positions[0]).not.toBe(sent[3]);
  });
});

describe('the first moments', () => {
  it('rest for as many ticks as are committed, wherever in a period the start was asked for', () => {
    const { executor: arm, queue } = executor({ commitTicks: 4 });
    start(arm, 0, HOME);
    expect(arm.isFollowing).toBe(false);
    run(arm, 1, 4);
    expect(arm.isFollowing).toBe(true);
    queue.offer(chunkOf(5, sweep(0.05)), at(5));
    const first = run(arm, 5, 5);
    // Ticks 5 to 8 are those of before, and only the ninth moves.
    for (let tick = 0; tick <= 8; tick++) expect(Array.from(first.timeline.tick(tick).positions)).toEqual(HOME);
    expect(first.timeline.tick(9).accelerations[0]).not.toBe(0);
  });
  it('begin where the controller commands, and wait until it commands the curve', () => {
    const { executor: arm, queue } = executor();
    // The arm sags by 5 mrad.
    const sagging = HOME.map((q) => q - 0.005);
    start(arm, 0, sagging, HOME);
    for (let tick = 1; tick <= 6; tick++) expect(arm.tick(at(tick), [])!.positions).toEqual(HOME);
    expect(arm.isFollowing).toBe(false);
    // What it commanded before the curve was sent says nothing.
    arm.judgeReference(at(6), at(1), HOME);
    expect(arm.isFollowing).toBe(false);
    arm.judgeReference(at(6), at(6), HOME);
    expect(arm.isFollowing).toBe(true);
    queue.offer(chunkOf(7, sweep(0.01)), at(7));
    arm.sawMeasured(measuredAt(7, sagging));
    expect(arm.tick(at(7), [])!.step).not.toBeNull();
  });
  it('end where the controller does not take the curve', () => {
    const { executor: arm } = executor();
    start(arm, 0, HOME, HOME);
    for (let tick = 1; tick <= 40; tick++) arm.tick(at(tick), []);
    expect([arm.phase, arm.lastStop]).toEqual([
      'stopped',
      expect.objectContaining({ code: 'executor.reference', message: expect.stringMatching(/does not command what/) }),
    ]);
  });
});

describe('a robot that does not follow', () => {
  const moving = (speed: number): Executor => {
    const { executor: arm, queue } = executor({ limits: prepareLimits(fr3, { periodS: STEP_S, maxDeltaRad: 0.2 }) });
    start(arm, 0, HOME);
    run(arm, 1, 2);
    queue.offer(chunkOf(3, sweep(speed * STEP_S)), at(3));
    run(arm, 3, 9);
    return arm;
  };
  it.each([0.3, 0.5, 1.2])(
    'a joint that is blocked at %d rad/s is noticed within 0.3 s, and nothing more is sent',
    (speed) => {
      const arm = moving(speed);
      const stuck = arm.timeline!.at(at(9)).positions;
      let tick = 10;
      for (; arm.phase === 'active'; tick++) {
        const joints = measuredAt(tick, stuck);
        arm.sawMeasured(joints);
        arm.judgeMeasured(at(tick), joints);
        arm.tick(at(tick), []);
      }
      expect((tick - 1 - 9) * STEP_S).toBeLessThanOrEqual(0.3 + 1e-6);
      expect(arm.lastStop).toMatchObject({
        code: 'executor.tracking',
        message: expect.stringMatching(/joint 1 .*does not follow/),
      });
      expect(arm.phase).toBe('stopped');
      expect(arm.tick(at(tick), [])).toBeNull();
    },
  );
  it('an arm that is pushed away while it holds is noticed, too', () => {
    const { executor: arm } = executor();
    start(arm, 0, HOME);
    run(arm, 1, 5);
    arm.judgeMeasured(
      at(6),
      measuredAt(
        6,
        HOME.map((q, j) => (j === 3 ? q + 0.08 : q)),
      ),
    );
    expect(arm.lastStop).toMatchObject({ code: 'executor.tracking', message: expect.stringMatching(/joint 4/) });
  });
  it('an arm that lags as its controller does is not stopped', () => {
    const arm = moving(0.5);
    arm.judgeMeasured(at(10), measuredAt(10, arm.timeline!.at(at(10) - fromSeconds(0.1)).positions));
    expect(arm.phase).toBe('active');
  });
  it('a controller that came to rest on an old tail is not sent on', () => {
    const arm = moving(0.5);
    const curve = arm.timeline!.at(at(9)).positions;
    arm.judgeReference(at(9), at(9), curve);
    expect(arm.phase).toBe('active');
    // Messages were lost: it stands where the curve was 0.1 s ago.
    arm.judgeReference(at(10), at(10), curve);
    expect(arm.lastStop).toMatchObject({ code: 'executor.reference', message: expect.stringMatching(/off the curve/) });
    expect(arm.phase).toBe('stopped');
  });
});

describe('a plan at a part of its speed', () => {
  const way = (speed: number): number[][] => {
    const { executor: arm, queue } = executor(
      { limits: prepareLimits(fr3, { periodS: STEP_S, speed }), tracking: null },
      { mode: 'synchronous', executedSteps: 16, speed },
    );
    start(arm, 0, HOME);
    run(arm, 1, 2);
    const steps = Array.from({ length: 16 }, (_, k) => {
      const t = (k + 1) / 16;
      return [0.3 * Math.sin(3 * t), HOME[1]! + 0.2 * t * t, ...HOME.slice(2), 0];
    });
    queue.offer(chunkOf(3, steps), at(3));
    return Array.from({ length: Math.ceil(16 / speed) }, (_, k) => Array.from(run(arm, 3 + k, 3 + k).positions));
  };
  it('goes the same way, more slowly, and no faster than that part of the limits', () => {
    const [fast, slow] = [way(1), way(0.1)];
    const speeds = slow.slice(1).map((q, k) => Math.abs(q[0]! - slow[k]![0]!) / STEP_S);
    expect(Math.max(...speeds)).toBeLessThanOrEqual(0.1 * 2.62);
    // Every place of the fast way is near the slow one.
    for (const q of fast) {
      const nearest = Math.min(...slow.map((p) => Math.max(...p.map((x, j) => Math.abs(x - q[j]!)))));
      expect(nearest).toBeLessThan(0.02);
    }
    expect(slow.length).toBeGreaterThan(8 * fast.length);
  });
  it('is refused where there is none', () => {
    expect(() => new ChunkQueue({ mode: 'asynchronous', executedSteps: 8, speed: 0 })).toThrow(/speed of 0/);
    expect(() => prepareLimits(fr3, { periodS: STEP_S, speed: 1.5 })).toThrow(/speed of 1\.5/);
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
