import type { Arm } from '../../core/arm.js';
import { seededRandom } from '../../core/random.js';
import { percentile } from '../../core/statistics.js';
import { prepareLimits } from '../../execution/limiter.js';
import { restAt, steer } from '../../execution/steering.js';
import { Timeline } from '../../execution/timeline.js';

export interface LimiterFigures {
  readonly arm: string;
  readonly commands: number;
  readonly commands_per_second: number;
  /** One tick of the curve with its braking tail, microseconds. */
  readonly call_us: { readonly mean: number; readonly p99: number; readonly max: number };
}

const PERIOD_S = 1 / 15;
const WARM_UP = 20_000;
const GOAL_TICKS = 20;

/** Times the limiter on an arm that is sent from one random place to the next. */
export function benchLimiter(arm: Arm, commands: number): LimiterFigures {
  const limits = prepareLimits(arm, { periodS: PERIOD_S });
  const random = seededRandom(1);
  const anywhere = (): number[] => arm.joints.map(({ lower, upper }) => lower + (upper - lower) * random());
  const timeline = new Timeline(
    limits,
    0n,
    arm.joints.map(({ lower, upper }) => (lower + upper) / 2),
  );
  let rest = 0;
  let goal = anywhere();
  const times = new Float64Array(commands);
  for (let tick = -WARM_UP; tick < commands; tick++) {
    if (tick % GOAL_TICKS === 0) goal = anywhere();
    const start = performance.now();
    timeline.append(steer(limits, timeline.endState, restAt(goal), null).input);
    rest = timeline.restsFrom;
    if (tick >= 0) times[tick] = performance.now() - start;
  }
  if (rest < timeline.end) throw new Error('the braking tail ends before the curve does');
  const total = times.reduce((sum, time) => sum + time, 0);
  const us = (ms: number): number => Math.round(ms * 1e6) / 1e3;
  return {
    arm: arm.name,
    commands,
    commands_per_second: Math.round(commands / (total / 1000)),
    call_us: {
      mean: us(total / commands),
      p99: us(percentile([...times], 99)),
      max: us(times.reduce((most, time) => Math.max(most, time), 0)),
    },
  };
}
