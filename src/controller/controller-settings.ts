/** What differs between controllers in the field. Names in the comments are parameters of joint_trajectory_controller. */
export interface ControllerSettings {
  /**
   * `humble` commands the state at the start of a cycle, `jazzy` (and kilted) and `rolling` the one at its end. `rolling` is ros2_controllers after
   * 6.9.0, which can go over from one trajectory to the next.
   */
  readonly distribution: 'humble' | 'jazzy' | 'rolling';
  /**
   * What the piece before a message's first point begins at: the state that was commanded (`interpolate_from_desired_state`, `open_loop_control` in
   * humble), or the measured one.
   */
  readonly interpolatesFrom: 'desired' | 'measured';
  /** `allow_nonzero_velocity_at_trajectory_end`. */
  readonly allowsMovingEnd: boolean;
  /** `allow_trajectory_replacement`, which only rolling has: a trajectory that runs is kept up to the stamp of a new one, and a past stamp is now. */
  readonly blendsTrajectories: boolean;
  /** `constraints.JOINT.trajectory`, radians; 0 is not looked at. */
  readonly pathToleranceRad: number;
  /** `constraints.JOINT.goal`, radians; 0 is not looked at. */
  readonly goalToleranceRad: number;
  /** `constraints.goal_time`, seconds; 0 waits for ever. */
  readonly goalTimeS: number;
  /** `cmd_timeout`, seconds; 0 is none. */
  readonly commandTimeoutS: number;
  /** `speed_scaling_input`: how fast trajectories run; 1 is as they are sent. Humble has none. */
  readonly speedScaling: number;
  /** Time of a control cycle. */
  readonly cycleNs: number;
}

/** What each distribution does where nobody sets a parameter, at 1 kHz. */
export function defaultSettings(distribution: ControllerSettings['distribution']): ControllerSettings {
  return {
    distribution,
    interpolatesFrom: 'measured',
    allowsMovingEnd: distribution === 'humble',
    blendsTrajectories: distribution === 'rolling',
    pathToleranceRad: 0,
    goalToleranceRad: 0,
    goalTimeS: 0,
    commandTimeoutS: 0,
    speedScaling: 1,
    cycleNs: 1_000_000,
  };
}
