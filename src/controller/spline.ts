/** Joints at one instant; radians, rad/s, rad/s^2. What a message leaves out is null. */
export interface JointPoint {
  readonly positions: Float64Array;
  readonly velocities: Float64Array | null;
  readonly accelerations: Float64Array | null;
}

/** A point with the time at which it is reached, nanoseconds on the controller's clock, counted from its epoch. */
export interface Waypoint extends JointPoint {
  readonly atNs: number;
}

/** A sampled state, which has all three. */
export interface JointMotion extends JointPoint {
  readonly velocities: Float64Array;
  readonly accelerations: Float64Array;
}

export function motionOf(joints: number): JointMotion {
  return {
    positions: new Float64Array(joints),
    velocities: new Float64Array(joints),
    accelerations: new Float64Array(joints),
  };
}

/** Coefficients of a polynomial of degree 5, for each joint. */
const TERMS = 6;

/**
 * What a joint_trajectory_controller does between two points, by the fields that both have: a line through positions, the cubic through positions and
 * velocities, the quintic through all three. Where both have accelerations and one lacks velocities, it has no rule, and commands zeros.
 * Source: ros2_controllers, trajectory.cpp, interpolate_between_points.
 */
export class Segment {
  readonly #from: Waypoint;
  readonly #to: Waypoint;
  readonly #coefficients: Float64Array;

  constructor(from: Waypoint, to: Waypoint) {
    this.#from = from;
    this.#to = to;
    this.#coefficients = coefficientsOf(from, to);
  }

  /** @param atNs on the clock of the waypoints. A time outside of the segment gives the position of its nearer end. */
  sample(atNs: number, into: JointMotion): void {
    const { atNs: begin } = this.#from;
    const { atNs: end } = this.#to;
    if (atNs < begin || atNs > end) {
      into.positions.set(atNs < begin ? this.#from.positions : this.#to.positions);
      into.velocities.fill(0);
      into.accelerations.fill(0);
      return;
    }
    const t = (atNs - begin) / 1e9;
    const c = this.#coefficients;
    for (let j = 0, k = 0; j < into.positions.length; j++, k += TERMS) {
      const [c0, c1, c2, c3, c4, c5] = [c[k]!, c[k + 1]!, c[k + 2]!, c[k + 3]!, c[k + 4]!, c[k + 5]!];
      into.positions[j] = c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * c5))));
      into.velocities[j] = c1 + t * (2 * c2 + t * (3 * c3 + t * (4 * c4 + t * 5 * c5)));
      into.accelerations[j] = 2 * c2 + t * (6 * c3 + t * (12 * c4 + t * 20 * c5));
    }
  }
}

function coefficientsOf(from: Waypoint, to: Waypoint): Float64Array {
  const joints = from.positions.length;
  const rows = new Float64Array(TERMS * joints);
  const T = (to.atNs - from.atNs) / 1e9;
  const [v0, v1] = [from.velocities, to.velocities];
  const [a0, a1] = [from.accelerations, to.accelerations];
  const hasAccelerations = a0 !== null && a1 !== null;
  for (let j = 0, k = 0; j < joints; j++, k += TERMS) {
    const p0 = from.positions[j]!;
    const way = to.positions[j]! - p0;
    if (v0 === null || v1 === null) {
      if (hasAccelerations) continue;
      rows[k] = p0;
      rows[k + 1] = T === 0 ? 0 : way / T;
      continue;
    }
    rows[k] = p0;
    rows[k + 1] = v0[j]!;
    if (hasAccelerations) rows[k + 2] = a0[j]! / 2;
    if (T === 0) continue;
    // What a motion with the state of the beginning alone would miss at the end: its highest terms make up for it.
    if (!hasAccelerations) {
      const missed = way - v0[j]! * T;
      const missedV = v1[j]! - v0[j]!;
      rows[k + 2] = (3 * missed - missedV * T) / (T * T);
      rows[k + 3] = (missedV * T - 2 * missed) / (T * T * T);
      continue;
    }
    const missed = way - T * (v0[j]! + (T * a0[j]!) / 2);
    const missedV = v1[j]! - v0[j]! - T * a0[j]!;
    const missedA = a1[j]! - a0[j]!;
    rows[k + 3] = (10 * missed - 4 * missedV * T + (missedA * T * T) / 2) / T ** 3;
    rows[k + 4] = (-15 * missed + 7 * missedV * T - missedA * T * T) / T ** 4;
    rows[k + 5] = (6 * missed - 3 * missedV * T + (missedA * T * T) / 2) / T ** 5;
  }
  return rows;
}
