/** What one joint may do. Radians and seconds. */
export interface JointLimits {
  readonly lower: number;
  readonly upper: number;
  readonly velocity: number;
  readonly acceleration: number;
  readonly jerk: number;
  /**
   * Velocity that is allowed near the position limits (libfranka): upwards min(velocity, max(0, -c + sqrt(max(0, k (upper - q))))), and mirrored
   * downwards with q - lower.
   */
  readonly envelope?: VelocityEnvelope | undefined;
}

export interface VelocityEnvelope {
  readonly c: number;
  readonly k: number;
  readonly lower: number;
  readonly upper: number;
}

/** A robot arm: its limits, joint by joint, and whose kinematics it has. */
export interface Arm {
  readonly name: string;
  /** `franka`: those of FR3 and Panda. `none`: positions of its hand are not known here. */
  readonly kinematics: 'franka' | 'none';
  readonly joints: readonly JointLimits[];
}
