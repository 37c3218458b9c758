import type { Arm, JointLimits } from '../core/arm.js';

/** The largest share of a limit that was used; 1 is the limit itself. */
export interface LimitShare {
  readonly share: number;
  /** Joint 1 is the one at the base; 0 where nothing moved. */
  readonly joint: number;
  /** Of the judge's first position. */
  readonly atS: number;
}

export interface Verdict {
  readonly velocity: LimitShare;
  readonly acceleration: LimitShare;
  readonly jerk: LimitShare;
  /** Furthest that one position is from where the two before it lead, radians: a step of the command. */
  readonly stepRad: number;
  /** Furthest beyond a position limit, radians; negative inside. */
  readonly outsideRad: number;
}

const NOTHING: LimitShare = { share: 0, joint: 0, atS: 0 };
/** Close to a position limit the envelope allows no velocity at all; a share needs one, rad/s. */
const LEAST_RAD_S = 1e-3;

/** Judges a stream of commanded positions by their differences alone, as an arm does that gets one in every cycle. */
export class LimitJudge {
  readonly #arm: Arm;
  readonly #dt: number;
  /** The last three positions of all joints, the newest first. */
  readonly #past: readonly [Float64Array, Float64Array, Float64Array];
  #cycles = 0;
  #velocity = NOTHING;
  #acceleration = NOTHING;
  #jerk = NOTHING;
  #stepRad = 0;
  #outsideRad = Number.NEGATIVE_INFINITY;

  /** @param start where the arm stands before the first position, radians. */
  constructor(arm: Arm, cycleS: number, start: ArrayLike<number>) {
    this.#arm = arm;
    this.#dt = cycleS;
    this.#past = [Float64Array.from(start), Float64Array.from(start), Float64Array.from(start)];
  }

  get verdict(): Verdict {
    return {
      velocity: this.#velocity,
      acceleration: this.#acceleration,
      jerk: this.#jerk,
      stepRad: this.#stepRad,
      outsideRad: this.#outsideRad,
    };
  }

  /** @returns whether any joint moves. */
  see(positions: Float64Array): boolean {
    const dt = this.#dt;
    const [q1, q2, q3] = this.#past;
    const atS = ++this.#cycles * dt;
    let moves = false;
    for (let j = 0; j < positions.length; j++) {
      const joint = this.#arm.joints[j]!;
      const q = positions[j]!;
      const way = q - q1[j]!;
      const step = way - (q1[j]! - q2[j]!);
      const change = step - (q1[j]! - 2 * q2[j]! + q3[j]!);
      if (way !== 0) moves = true;
      this.#velocity = larger(this.#velocity, velocityShare(joint, (q + q1[j]!) / 2, way / dt), j, atS);
      this.#acceleration = larger(this.#acceleration, Math.abs(step) / (dt * dt) / joint.acceleration, j, atS);
      this.#jerk = larger(this.#jerk, Math.abs(change) / (dt * dt * dt) / joint.jerk, j, atS);
      this.#stepRad = Math.max(this.#stepRad, Math.abs(step));
      this.#outsideRad = Math.max(this.#outsideRad, q - joint.upper, joint.lower - q);
    }
    q3.set(q2);
    q2.set(q1);
    q1.set(positions);
    return moves;
  }
}

/** NaN is larger than everything: a position that is none breaks all limits. */
function larger(worst: LimitShare, share: number, joint: number, atS: number): LimitShare {
  if (Number.isNaN(share)) return { share: Number.POSITIVE_INFINITY, joint: joint + 1, atS };
  return share > worst.share ? { share, joint: joint + 1, atS } : worst;
}

function velocityShare({ velocity, envelope }: JointLimits, q: number, v: number): number {
  if (!envelope) return Math.abs(v) / velocity;
  const { c, k, lower, upper } = envelope;
  const room = v > 0 ? upper - q : q - lower;
  const allowed = Math.min(velocity, -c + Math.sqrt(Math.max(0, k * room)));
  return Math.abs(v) / Math.max(LEAST_RAD_S, allowed);
}
