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

export interface ArmJoint extends JointLimits {
  /** In joint states, without the prefix that tells several arms apart. */
  readonly name: string;
}

/** A robot arm: its limits, joint by joint from base to hand, its names, and whose kinematics it has. */
export interface Arm {
  readonly name: string;
  /** `franka`: those of FR3 and Panda. `none`: positions of its hand are not known here. */
  readonly kinematics: 'franka' | 'none';
  /** Frames of its base and of what carries the gripper, without the prefix that tells several arms apart. */
  readonly links: { readonly base: string; readonly hand: string };
  readonly joints: readonly ArmJoint[];
}
