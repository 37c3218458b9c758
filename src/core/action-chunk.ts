import type { Nanoseconds } from './time.js';

/** What the joints should do next. Step k is for `stamp + (k + 1) * stepS`. */
export interface ActionChunk {
  /** Name of the policy or planner that made it. */
  readonly planner: string;
  /** Of the observation that it came from. */
  readonly stamp: Nanoseconds;
  readonly stepS: number;
  readonly instruction: string;
  /** `steps[k]`: the planner's action vector; for a seven-joint arm, absolute joint positions in radians, then the gripper's command. */
  readonly steps: readonly (readonly number[])[];
}

/** What a robot was told to do, row by row. */
export interface RecordedCommands {
  readonly stepS: number;
  /** When the observation was taken that row k was given from. */
  readonly stamps: readonly Nanoseconds[];
  /** Arm joints in radians, then the gripper's command; null where the row was cut off. */
  readonly actions: readonly (readonly number[] | null)[];
}
