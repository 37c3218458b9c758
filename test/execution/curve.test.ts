import { describe, expect, it } from '@jest/globals';
import { LimitJudge } from '../../src/controller/limit-judge.js';
import type { Arm } from '../../src/core/arm.js';
import { seededRandom } from '../../src/core/random.js';
import { prepareLimits } from '../../src/execution/limiter.js';
import { steer, type Reference } from '../../src/execution/steering.js';
import { Timeline } from '../../src/execution/timeline.js';
import { loadArm } from '../../src/files/arm-file.js';

const fr3 = await loadArm('fr3');
const panda = await loadArm('panda');
const MARGIN_RAD = 0.01;

const inside = (arm: Arm, random: () => number): number[] =>
  arm.joints.map(({ lower, upper }) => lower + MARGIN_RAD + (upper - lower - 2 * MARGIN_RAD) * random());

type Plan = (random: () => number, tick: number, now: ArrayLike<number>) => Reference | null;

/** A plan that is a row of places, a number of seconds apart, and nothing said about the speed there. */
function places(rows: readonly (readonly number[])[], stepS: number): Reference {
  return {
    at: (seconds, positions, velocities) => {
      const x = Math.max(0, Math.min(rows.length - 1, seconds / stepS));
      const i = Math.min(rows.length - 2, Math.floor(x));
      for (let j = 0; j < positions.length; j++) {
        const [a, b] = [rows[i]![j]!, rows[i + 1]![j]!];
        positions[j] = a + (x - i) * (b - a);
        velocities[j] = x >= rows.length - 1 ? 0 : (b - a) / stepS;
      }
    },
  };
}

/** Ways to ask for what an arm cannot do. */
function adversaries(arm: Arm): Readonly<Record<string, Plan>> {
  let goal: number[] = [];
  return {
    'anywhere, far beyond the limits too': (random) =>
      places(
        [1, 2, 3, 4].map(() => arm.joints.map(() => 20 * (random() - 0.5))),
        1 / 15,
      ),
    'back and forth at full speed': (_, tick, now) =>
      places([Array.from(now), Array.from(now, (q) => q + ((tick >> 3) % 2 === 0 ? 5 : -5))], 0.5),
    'each joint for itself to its limits': (random, _, now) =>
      places([Array.from(now), Array.from(now, (q) => q + (random() < 0.5 ? 1 : -1))], 0.1),
    'into the limits': (_, tick) =>
      places(
        [0, 1].map(() =>
          arm.joints.map(({ lower, upper }, j) => (((tick >> 7) + j) % 2 === 0 ? upper + 1 : lower - 1)),
        ),
        1,
      ),
    'small steps': (random, _, now) =>
      places(
        [1, 2, 3, 4].map(() => Array.from(now, (q) => q + 0.04 * (random() - 0.5))),
        1 / 15,
      ),
    'a place for a while': (random, tick) => {
      if (tick % 40 === 0 || goal.length === 0) goal = inside(arm, random);
      return places([goal, goal], 1);
    },
    'speeds that cannot be had': (random, _, now) => ({
      at: (seconds, positions, velocities) => {
        for (let j = 0; j < positions.length; j++) {
          positions[j] = now[j]! + seconds * (random() - 0.5);
          velocities[j] = 40 * (random() - 0.5);
        }
      },
    }),
    'nothing now and then': (random, _, now) =>
      random() < 0.3 ? null : places([Array.from(now), Array.from(now, (q) => q + random() - 0.5)], 0.2),
  };
}

describe.each([
  ['fr3', fr3],
  ['panda', panda],
] as const)('the curve of the %s', (_, arm) => {
  it.each([15, 30, 100, 240, 500])('breaks no limit at any millisecond at %i Hz, whatever is asked for', (rate) => {
    const random = seededRandom(rate);
    const limits = prepareLimits(arm, { periodS: 1 / rate, marginRad: MARGIN_RAD });
    for (const [name, plan] of Object.entries(adversaries(arm))) {
      // A start at a limit in some joints.
      const start = inside(arm, random).map((q, j) => {
        const where = random();
        const { lower, upper } = arm.joints[j]!;
        return where < 0.1 ? lower + MARGIN_RAD : where > 0.9 ? upper - MARGIN_RAD : q;
      });
      const timeline = new Timeline(limits, 0n, start);
      const judge = new LimitJudge(arm, 1e-3, start);
      let seen = 0;
      const look = (untilS: number): void => {
        for (; seen * 1e-3 < untilS; seen++)
          judge.see(Float64Array.from(timeline.at(BigInt(seen) * 1_000_000n).positions));
      };
      const ticks = Math.min(600, Math.max(120, 6 * rate));
      for (let tick = 0; tick < ticks; tick++) {
        const reference = plan(random, tick, timeline.endState.positions);
        const clamp = tick % 2 === 0 ? null : { expected: Array.from(timeline.endState.positions), stepS: 1 / 15 };
        if (reference) timeline.append(steer(limits, timeline.endState, reference, clamp).input);
        else timeline.brakeTo(timeline.end + 1);
        look(timeline.end * limits.tickS);
      }
      const stopFrom = timeline.end;
      const rest = timeline.restsFrom;
      look(rest * limits.tickS + 0.1);
      const { velocity, acceleration, jerk, outsideRad } = judge.verdict;
      const told = `${name}: ${JSON.stringify(judge.verdict)}`;
      // What the rounding of positions does to third differences over a millisecond is below a thousandth.
      const isKept = [velocity.share <= 1 + 1e-6, acceleration.share <= 1 + 1e-6, jerk.share <= 1 + 1e-3];
      expect([told, ...isKept]).toEqual([told, true, true, true]);
      expect(outsideRad).toBeLessThanOrEqual(1e-9 - MARGIN_RAD);
      // A stop takes what the fastest joint needs, the time that its jerk is spread over, and at most two ticks.
      const longest = Math.max(...arm.joints.map((joint) => joint.velocity / joint.acceleration));
      expect((rest - stopFrom) * limits.tickS).toBeLessThanOrEqual(
        longest + (limits.smoothingTicks + 1) * limits.tickS,
      );
    }
  });
  it('goes where it is asked to when nothing is in the way', () => {
    const limits = prepareLimits(arm, { periodS: 1 / 15 });
    const goal = [0.1, -0.5, 0.2, -2.2, 0.1, 1.6, 0.3];
    const timeline = new Timeline(limits, 0n, [0, -0.7, 0, -2.3, 0, 1.57, 0]);
    for (let tick = 0; tick < 40; tick++)
      timeline.append(steer(limits, timeline.endState, places([goal, goal], 1), null).input);
    goal.forEach((q, j) => {
      expect(timeline.endState.positions[j]).toBeCloseTo(q, 6);
    });
  });
});
