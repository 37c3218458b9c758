/** How a gripper's opening, its joint and its commands are told. */
export interface GripperConvention {
  /** Fully open, metres between the fingers. */
  readonly openWidthM: number;
  /** The joint's position in a policy's state when the gripper is closed; it is 0 when open. */
  readonly closedState: number;
  /** A policy's command that closes; 0 opens. */
  readonly closedCommand: number;
}

/** Of MolmoSpaces and of the DROID robots: a Robotiq 2F-85 with its driver joint in radians, commanded 0 to 255. */
export const ROBOTIQ_2F85: GripperConvention = { openWidthM: 0.085, closedState: 0.824033, closedCommand: 255 };

/** A policy that was trained with a Robotiq, on a Franka hand: the same share of its opening. */
export const FRANKA_HAND: GripperConvention = { ...ROBOTIQ_2F85, openWidthM: 0.08 };

/** The state that a policy expects of a gripper that is open by so much, metres. Widths beyond the ends count as these. */
export function stateOfWidth(widthM: number, { openWidthM, closedState }: GripperConvention): number {
  return (1 - Math.min(1, Math.max(0, widthM / openWidthM))) * closedState;
}

/** The width, metres, of a gripper in that state. */
export function widthOfState(state: number, { openWidthM, closedState }: GripperConvention): number {
  return (1 - Math.min(1, Math.max(0, state / closedState))) * openWidthM;
}

/** The width, metres, that a policy's command asks for. */
export function widthOfCommand(command: number, { openWidthM, closedCommand }: GripperConvention): number {
  return (1 - Math.min(1, Math.max(0, command / closedCommand))) * openWidthM;
}
