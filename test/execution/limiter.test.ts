import { describe, expect, it } from '@jest/globals';
import { curveAtRest } from '../../src/execution/curve.js';
import { checkStanding, checkVector, prepareLimits } from '../../src/execution/limiter.js';
import { restAt, steer, type LimitReason, type Reference } from '../../src/execution/steering.js';
import { Timeline } from '../../src/execution/timeline.js';
import { loadArm } from '../../src/files/arm-file.js';

const fr3 = await loadArm('fr3');
const panda = await loadArm('panda');
const PERIOD_S = 1 / 15;
const HOME = [0, -0.7, 0, -2.3, 0, 1.57, 0];
const moved = (joint: number, by: number): number[] => HOME.map((q, j) => (j === joint ? q + by : q));

describe('steering', () => {
  const limits = prepareLimits(fr3, { periodS: PERIOD_S });
  /** A joint that is to go on at this speed. */
  const going = (joint: number, from: number, speed: number): Reference => ({
    at: (seconds, positions, velocities) => {
      positions.set(moved(joint, from + speed * seconds));
      velocities.fill(0);
      velocities[joint] = speed;
    },
  });

  it('meets a plan that is no faster than the arm exactly, and stays on it', () => {
    const timeline = new Timeline(limits, 0n, HOME);
    for (let tick = 0; tick < 30; tick++)
      timeline.append(steer(limits, timeline.endState, going(2, 0.5 * PERIOD_S * tick, 0.5), null).input);
    expect(timeline.endState.positions[2]).toBeCloseTo(0.5 * PERIOD_S * 30, 6);
    expect(timeline.endState.velocities[2]).toBeCloseTo(0.5, 6);
  });
  it('comes to rest where it is asked to, and is then at rest', () => {
    const timeline = new Timeline(limits, 0n, HOME);
    for (let tick = 0; tick < 40; tick++)
      timeline.append(steer(limits, timeline.endState, restAt(moved(2, 0.4)), null).input);
    expect(timeline.endState.positions[2]).toBeCloseTo(0.4, 6);
    // 0.4 rad at 10 rad/s^2 take 0.4 s, which are 6 ticks; a plan that meets its end softly takes less than three times as long.
    expect(timeline.restsFrom).toBeLessThanOrEqual(18);
  });
  it('keeps the direction: all joints are as far on their way', () => {
    const goal = HOME.map((q, j) => q + 0.05 * (j + 1));
    const timeline = new Timeline(limits, 0n, HOME);
    for (let tick = 0; tick < 8; tick++) {
      const { input, isTogether } = steer(limits, timeline.endState, restAt(goal), null);
      expect(isTogether).toBe(true);
      timeline.append(input);
      const shares = Array.from(timeline.endState.positions, (q, j) => (q - HOME[j]!) / (goal[j]! - HOME[j]!));
      shares.forEach((share) => {
        expect(share).toBeCloseTo(shares[0]!, 9);
      });
    }
  });
  it('tells which joint was limited, and by what', () => {
    const reasons = new Set<LimitReason | null>();
    const timeline = new Timeline(limits, 0n, HOME);
    for (let tick = 0; tick < 60; tick++) {
      const { input, limitedBy } = steer(limits, timeline.endState, going(2, 3 * PERIOD_S * tick, 3), null);
      reasons.add(limitedBy[2]!);
      expect(limitedBy[0]).toBeNull();
      timeline.append(input);
    }
    expect([...reasons].filter((reason) => reason !== null).sort()).toEqual(
      expect.arrayContaining(['acceleration', 'position']),
    );
    // 2.9007 less the margin.
    expect(timeline.endState.positions[2]).toBeCloseTo(2.8907, 3);
  });
  it.each([
    ['uniform', [0.01, 0.001]],
    ['per-joint', [0.01, 0.005]],
  ] as const)('keeps the published clamp by the rule "%s"', (deltaRule, [first, second]) => {
    const clamped = prepareLimits(fr3, { periodS: PERIOD_S, maxDeltaRad: 0.01, deltaRule });
    let state = curveAtRest(clamped, HOME);
    const goal = HOME.map((q, j) => q + (j === 0 ? 0.05 : 0.005));
    // The arm is measured at home all the time: no step may lead further than the clamp from there.
    const timeline = new Timeline(clamped, 0n, HOME);
    for (let tick = 0; tick < 40; tick++) {
      timeline.append(steer(clamped, timeline.endState, restAt(goal), { expected: HOME, stepS: 1 }).input);
      state = timeline.endState;
    }
    expect(state.positions[0]! - HOME[0]!).toBeCloseTo(first, 6);
    expect(state.positions[1]! - HOME[1]!).toBeCloseTo(second, 6);
  });
});

describe('what cannot be used', () => {
  const limits = prepareLimits(fr3, { periodS: PERIOD_S });
  it.each([
    [
      'a value that is no number',
      () => {
        checkVector(limits, 'proposed', moved(1, Number.NaN));
      },
      'limiter.proposed',
      /joint 2 is NaN/,
    ],
    [
      'infinity',
      () => {
        checkVector(limits, 'proposed', moved(6, Infinity));
      },
      'limiter.proposed',
      /joint 7 is Infinity/,
    ],
    [
      'a joint too few',
      () => {
        checkVector(limits, 'proposed', HOME.slice(1));
      },
      'limiter.proposed',
      /6 proposed positions were given for the 7/,
    ],
    [
      'a measurement that is none',
      () => {
        checkStanding(limits, moved(0, Number.NaN));
      },
      'limiter.measured',
      /joint 1 is NaN/,
    ],
    [
      'an arm outside its limits',
      () => {
        checkStanding(limits, moved(5, -1.2));
      },
      'limiter.outside',
      /joint 6 stands at 0\.3700 rad.*fr3.*0\.5445/,
    ],
  ])('%s is refused', (_, make, code, message) => {
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
    [{ periodS: PERIOD_S, speed: 0 }, /speed of 0/],
    // 2 A / (J T): 10 rad/s^2 of 5000 rad/s^3 spread over 4 ms, which are 200 ticks of 20 us.
    [{ periodS: 2e-5 }, /smoothing over 200 ticks/],
  ])('the options %j are refused', (options, message) => {
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
