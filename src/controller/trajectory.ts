import type { JointTrajectory } from '../bus/messages.js';
import { fromTimeMessage, type Nanoseconds } from '../core/time.js';
import { Segment, type JointMotion, type Waypoint } from './spline.js';

/** A message as a controller plays it: its points in the controller's order of joints, and the state that it begins from. */
export class Trajectory {
  /** Times are counted from the start of the trajectory. */
  readonly points: readonly Waypoint[];
  /** Nanoseconds from the controller's epoch; null for a trajectory that starts when it is first sampled. */
  #startNs: number | null;
  #before: Waypoint | null = null;
  /** The piece that was sampled last, by the number of its end; times lie close together, and coefficients are kept. */
  #piece: { readonly end: number; readonly segment: Segment } | null = null;

  constructor(points: readonly Waypoint[], startNs: number | null) {
    this.points = points;
    this.#startNs = startNs;
  }

  /** @param joints names in the controller's order; the message must have been checked. @param epoch that the controller counts from. */
  static of(
    { header, joint_names: names, points }: JointTrajectory,
    joints: readonly string[],
    epoch: Nanoseconds,
  ): Trajectory {
    const order = joints.map((name) => names.indexOf(name));
    const pick = (values: ArrayLike<number>): Float64Array | null =>
      values.length === 0 ? null : Float64Array.from(order, (i) => values[i]!);
    const stamp = fromTimeMessage(header.stamp);
    return new Trajectory(
      points.map(({ positions, velocities, accelerations, time_from_start: time }) => ({
        atNs: Number(fromTimeMessage(time)),
        positions: pick(positions)!,
        velocities: pick(velocities),
        accelerations: pick(accelerations),
      })),
      stamp === 0n ? null : Number(stamp - epoch),
    );
  }

  /** Null before the first sample of a trajectory without a stamp. */
  get startNs(): number | null {
    return this.#startNs;
  }

  get isBegun(): boolean {
    return this.#before !== null;
  }

  /** When its last point is reached. */
  get endNs(): number {
    return this.#startNs! + this.points.at(-1)!.atNs;
  }

  /**
   * Before the first sample. What the state before lacks counts as zero where the first point has it (humble 2.52, jazzy 4.36, rolling 6.2 and later).
   * @param nowNs at which it is sampled first: where a trajectory without a stamp starts.
   */
  beginFrom(before: Waypoint, nowNs: number): void {
    const [first] = this.points;
    const still = new Float64Array(before.positions.length);
    this.#before = {
      ...before,
      velocities: before.velocities ?? (first!.velocities && still),
      accelerations: before.accelerations ?? (first!.accelerations && still),
    };
    this.#startNs ??= nowNs;
  }

  /** @returns whether there is a state at that time: none before the state that it begins from. */
  sample(atNs: number, into: JointMotion): boolean {
    if (atNs < this.#before!.atNs) return false;
    const sinceNs = atNs - this.#startNs!;
    const { points } = this;
    const last = points.at(-1)!;
    if (sinceNs >= last.atNs) {
      into.positions.set(last.positions);
      if (last.velocities) into.velocities.set(last.velocities);
      else into.velocities.fill(0);
      if (last.accelerations) into.accelerations.set(last.accelerations);
      else into.accelerations.fill(0);
      return true;
    }
    this.#pieceAt(sinceNs).sample(sinceNs, into);
    return true;
  }

  /** Piece number k ends at point k; the piece number 0 comes from the state before. */
  #pieceAt(sinceNs: number): Segment {
    const { points } = this;
    let end = this.#piece?.end ?? 0;
    while (end > 0 && points[end - 1]!.atNs > sinceNs) end--;
    while (points[end]!.atNs <= sinceNs) end++;
    if (this.#piece?.end === end) return this.#piece.segment;
    const from = end === 0 ? { ...this.#before!, atNs: this.#before!.atNs - this.#startNs! } : points[end - 1]!;
    const segment = new Segment(from, points[end]!);
    this.#piece = { end, segment };
    return segment;
  }
}
