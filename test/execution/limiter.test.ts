import { describe, expect, it } from '@jest/globals';
import { limitStep, prepareLimits, standingAt, type Limits, type MotionState } from '../../src/execution/limiter.js';
import { loadArm } from '../../src/files/arm-file.js';
import { commandSequences } from './limiter-judge.js';

const fr3 = await loadArm('fr3');
const panda = await loadArm('panda');
const PERIOD_S = 1 / 15;

describe.each([
  ['fr3', fr3],
  ['panda', panda],
] as const)('the limiter on the %s', (_, arm) => {
  it('half a million commands, however they are asked for, break no limit and can always be stopped', () => {
    let [kept, split] = [0, 0];
    for (let seed = 1; seed <= 10; seed++) {
      // At the policies' rate and, for jerk, where a step is short.
      const result = commandSequences(arm, {
        seed,
        commands: 50_000,
        longest: 200,
        periodS: seed % 5 === 0 ? 1 / 500 : PERIOD_S,
      });
      expect(result.broken).toEqual([]);
      kept += result.kept;
      split += result.split;
    }
    expect(kept + split).toBeGreaterThanOrEqual(500_000);
    // Both happen, and often.
    expect(kept).toBeGreaterThan(50_000);
    expect(split).toBeGreaterThan(10_000);
  }, 120_000);

  it('goes where it is asked to when nothing is in the way', () => {
    const limits = prepareLimits(arm, { periodS: PERIOD_S });
    const goal = [0.1, -0.5, 0.2, -2.2, 0.1, 1.6, 0.3];
    let state: MotionState = standingAt(limits, [0, -0.7, 0, -2.3, 0, 1.57, 0]);
    for (let tick = 0; tick < 40; tick++) state = limitStep(limits, state, state.positions, goal, PERIOD_S);
    goal.forEach((q, j) => {
      expect(state.positions[j]).toBeCloseTo(q, 9);
    });
  });
});

describe('a limited step', () => {
  const limits: Limits = prepareLimits(fr3, { periodS: PERIOD_S });
  const home = [0, -0.7, 0, -2.3, 0, 1.57, 0];
  const at = (state: MotionState, proposed: readonly number[]): ReturnType<typeof limitStep> =>
    limitStep(limits, state, state.positions, proposed, PERIOD_S);
  const moved = (joint: number, by: number): number[] => home.map((q, j) => (j === joint ? q + by : q));

  it('passes what is harmless unchanged', () => {
    const proposed = home.map((q) => q + 0.01);
    const step = at(standingAt(limits, home), proposed);
    expect(step.scale).toBe(1);
    expect(step.limitedBy).toEqual(Array(7).fill(null));
    step.positions.forEach((q, j) => {
      expect(q).toBeCloseTo(proposed[j]!, 12);
    });
  });
  it('tells which joint was limited, and by what', () => {
    const state = standingAt(limits, home);
    expect(at(state, moved(2, 0.15)).limitedBy).toEqual([null, null, 'acceleration', null, null, null, null]);
    const slow = limitStep(limits, state, state.positions, moved(2, 0.1), PERIOD_S, 0.1);
    expect(slow.velocities[2]).toBeCloseTo(0.262, 6);
    let running: MotionState = state;
    const reasons = new Set<unknown>();
    for (let tick = 0; tick < 60; tick++) {
      const step = at(
        running,
        running.positions.map((q, j) => (j === 2 ? q + 0.2 : q)),
      );
      reasons.add(step.limitedBy[2]);
      running = step;
    }
    expect([...reasons]).toEqual(['acceleration', 'velocity', 'position']);
    expect(running.positions[2]).toBeCloseTo(2.9007 - 0.01, 3);
  });
  it('keeps each joint within its own step where it is told so', () => {
    const clipped = prepareLimits(fr3, { periodS: PERIOD_S, maxDeltaRad: 0.01, deltaRule: 'per-joint' });
    const step = limitStep(
      clipped,
      standingAt(clipped, home),
      home,
      home.map((q, j) => (j === 0 ? q + 1 : q + 0.005)),
      PERIOD_S,
    );
    expect(step.positions[0]! - home[0]!).toBeCloseTo(0.01, 9);
    expect(step.positions[1]! - home[1]!).toBeCloseTo(0.005, 9);
    expect(step.limitedBy[0]).toBe('delta');
  });
  it('is measured against where the arm is, not where it was sent', () => {
    const state = standingAt(limits, home);
    const stuck = limitStep(
      limits,
      { ...state, positions: home.map((q) => q + 0.3) },
      home,
      home.map((q) => q + 0.4),
      PERIOD_S,
    );
    // The command comes back to what is within 0.2 rad of the measured arm, as fast as the acceleration allows.
    expect(stuck.velocities[0]).toBeLessThan(0);
  });

  it.each([
    [
      'a value that is no number',
      () => at(standingAt(limits, home), moved(1, Number.NaN)),
      'limiter.proposed',
      /joint 2 is NaN/,
    ],
    ['infinity', () => at(standingAt(limits, home), moved(6, Infinity)), 'limiter.proposed', /joint 7 is Infinity/],
    [
      'a joint too few',
      () => at(standingAt(limits, home), home.slice(1)),
      'limiter.proposed',
      /6 proposed positions were given for the 7/,
    ],
    [
      'a measurement that is none',
      () => limitStep(limits, standingAt(limits, home), moved(0, Number.NaN), home, PERIOD_S),
      'limiter.measured',
      /joint 1 is NaN/,
    ],
    [
      'two commands at once',
      () => limitStep(limits, standingAt(limits, home), home, home, 0),
      'limiter.dt',
      /0 s lie between/,
    ],
    [
      'a command after a long gap',
      () => limitStep(limits, standingAt(limits, home), home, home, 1),
      'limiter.dt',
      /1 s lie between/,
    ],
    [
      'a clock that is none',
      () => limitStep(limits, standingAt(limits, home), home, home, Number.NaN),
      'limiter.dt',
      /NaN s/,
    ],
    [
      'an arm outside its limits',
      () => standingAt(limits, moved(5, -1.2)),
      'limiter.outside',
      /joint 6 stands at 0\.3700 rad.*fr3.*0\.5445/,
    ],
  ])('refuses %s', (_, make, code, message) => {
    let error: unknown;
    try {
      make();
    } catch (cause) {
      error = cause;
    }
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
  it.each([
    [{ periodS: 0 }, /period of 0 s/],
    [{ periodS: PERIOD_S, marginRad: 2 }, /margin of 2 rad/],
    [{ periodS: PERIOD_S, maxDeltaRad: 0 }, /largest step of 0 rad/],
    [{ periodS: PERIOD_S, maxDeltaRad: [0.2, 0.2] }, /7 joints/],
  ])('refuses the options %j', (options, message) => {
    expect(() => prepareLimits(fr3, options)).toThrow(message);
  });
});

describe('arms', () => {
  it('are known by name, or read from a file', async () => {
    expect(fr3.joints).toHaveLength(7);
    expect(panda.joints[6]).toMatchObject({ velocity: 2.61, acceleration: 20, jerk: 10_000 });
    await expect(loadArm('ur5')).rejects.toMatchObject({
      code: 'arm.unknown',
      message: expect.stringMatching(/fr3, panda/),
    });
    await expect(loadArm('./nothing.yaml')).rejects.toMatchObject({ code: 'arm.unknown' });
  });
});
