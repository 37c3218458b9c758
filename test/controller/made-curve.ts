import type { JointTrajectory, JointTrajectoryPoint } from '../../src/bus/messages.js';
import type { SentCommand } from '../../src/controller/play-commands.js';
import type { Arm } from '../../src/core/arm.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../../src/core/time.js';

/** A sender of the tests' own: a curve that uses velocity and acceleration of an arm fully, and ways to send it. */

interface Tick {
  readonly q: readonly number[];
  readonly v: readonly number[];
  readonly a: readonly number[];
}

const TICK_NS = 66_666_667n;
const T = Number(TICK_NS) / 1e9;
const EPOCH = fromSeconds(1000);
/** Share of the arm's limits: the curve is exact, and its points are rounded to double precision. */
const FULL = 1 - 1e-9;

/** One tick of constant jerk, from one acceleration to another. */
function advance({ q, v, a }: Tick, a1: readonly number[]): Tick {
  return {
    q: q.map((x, j) => x + T * v[j]! + T * T * (a[j]! / 3 + a1[j]! / 6)),
    v: v.map((x, j) => x + (T * (a[j]! + a1[j]!)) / 2),
    a: a1,
  };
}

/** Accelerations at the ticks of the fastest way to rest of one joint: to none, then down, along and up again. */
function brakingAccelerations(limit: number, v: number, a: number): number[] {
  const after = v + (T * a) / 2;
  const count = Math.max(1, Math.ceil(Math.abs(after) / (limit * T)));
  return [0, ...Array.from({ length: count }, () => -after / (count * T)), 0];
}

function tailOf(arm: Arm, from: Tick): Tick[] {
  const ways = arm.joints.map(({ acceleration }, j) =>
    brakingAccelerations(FULL * acceleration, from.v[j]!, from.a[j]!),
  );
  const ticks: Tick[] = [];
  for (let k = 0; k < Math.max(...ways.map(({ length }) => length)); k++)
    ticks.push(
      advance(
        ticks.at(-1) ?? from,
        ways.map((way) => way[k] ?? 0),
      ),
    );
  // What is left is rounding.
  const { q } = ticks.at(-1)!;
  return [...ticks.slice(0, -1), { q, v: q.map(() => 0), a: q.map(() => 0) }];
}

export interface Sending {
  /** Fields of each point. */
  readonly fields: 'p' | 'pv' | 'pva';
  /** First point of each message, ticks from now; negative is before. */
  readonly from: number;
  /** Ticks that no later message changes. */
  readonly committed: number;
  /** One point a message, the state in the next tick, instead of the known curve with its tail. */
  readonly onePoint?: boolean;
  /** Without a stamp. */
  readonly unstamped?: boolean;
}

/** Every tick what is known of a random curve is sent, from rest to rest. */
export function sentCurve(
  arm: Arm,
  random: () => number,
  ticks: number,
  start: readonly number[],
  { fields, from, committed, onePoint = false, unstamped = false }: Sending,
): SentCommand[] {
  const still = start.map(() => 0);
  const known: Tick[] = Array.from({ length: committed + 2 }, () => ({ q: start, v: still, a: still }));
  const wanted = start.map(() => 0);
  const commands: SentCommand[] = [];
  const stampOf = (tick: number): Nanoseconds => EPOCH + BigInt(tick) * TICK_NS;
  for (let now = 2; now < ticks; now++) {
    const last = known.at(-1)!;
    known.push(
      advance(
        last,
        arm.joints.map((joint, j) => acceleration(joint, last, j, start[j]!, wanted, random)),
      ),
    );
    const curve = [...known, ...tailOf(arm, known.at(-1)!)];
    const first = now + from;
    const chosen = onePoint ? [now + 1] : curve.map((_, k) => k).slice(first);
    const base = onePoint ? now : first;
    const points = chosen.map((k) => pointOf(curve[k]!, stampOf(k) - stampOf(base), fields));
    if (!onePoint)
      points.push(pointOf(curve.at(-1)!, stampOf(curve.length - 1) - stampOf(base) + fromSeconds(0.5), fields));
    const message: JointTrajectory = {
      header: { stamp: toTimeMessage(unstamped ? 0n : stampOf(base)), frame_id: '' },
      joint_names: arm.joints.map(({ name }) => name),
      points,
    };
    commands.push({ at: stampOf(now), message });
  }
  return commands;
}

/** Towards a speed that changes now and then, away from the position limits, never further than can be braked. */
function acceleration(
  { velocity, acceleration: most, lower, upper }: Arm['joints'][number],
  { q, v, a }: Tick,
  j: number,
  home: number,
  wanted: number[],
  random: () => number,
): number {
  if (random() < 0.15) wanted[j] = velocity * (random() < 0.5 ? -1 : 1);
  const room = 0.4 * (upper - lower);
  if (q[j]! > home + room / 2) wanted[j] = -velocity;
  if (q[j]! < home - room / 2) wanted[j] = velocity;
  const limit = FULL * most;
  const a1 = Math.max(-limit, Math.min(limit, (wanted[j]! - v[j]!) / T));
  // The tick after it may still take the acceleration away, below the limit of the velocity.
  const reached = v[j]! + (T * (a[j]! + a1)) / 2 + (T * a1) / 2;
  return Math.abs(reached) <= FULL * velocity ? a1 : 0;
}

function pointOf({ q, v, a }: Tick, after: Nanoseconds, fields: Sending['fields']): JointTrajectoryPoint {
  return {
    positions: q,
    velocities: fields === 'p' ? [] : v,
    accelerations: fields === 'pva' ? a : [],
    effort: [],
    time_from_start: toTimeMessage(after),
  };
}
