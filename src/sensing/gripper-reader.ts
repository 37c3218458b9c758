import type { JointStateMessage } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import { FRANKA_HAND, stateOfWidth } from '../core/gripper.js';
import { readJoints } from './joint-states.js';

/** Joints that tell how far a gripper is open, and whose they are. */
const GRIPPER_JOINTS = [
  // A Robotiq, as MolmoSpaces and DROID have it: its driver joint, radians, is the state itself.
  { pattern: /(left_driver_joint|left_knuckle_joint|(^|[^a-z])finger_joint)$/, convention: null },
  // A Franka hand: each finger goes half of the opening, metres.
  { pattern: /finger_joint1$/, convention: FRANKA_HAND },
] as const;

/** More grippers than any robot has; a stream that renames its joints all the time must not fill memory. */
const MOST_NAMES = 16;

/** The state of the gripper in a stream of joint states, of which several grippers may be a part. */
export class GripperReader {
  readonly #names = new Set<string>();

  /**
   * The state as a policy expects it; null when the message has none of this arm's gripper.
   * @param armJoints names of the arm's joints: of several grippers, the one whose names begin as these do is the arm's. Null while they are not known.
   * @throws InputError `gripper.ambiguous` where several grippers are heard and the names do not tell, and `joints.*` of readJoints.
   */
  read(message: JointStateMessage, armJoints: readonly string[] | null): number | null {
    for (const { pattern, convention } of GRIPPER_JOINTS) {
      const heard = message.name.filter((candidate) => pattern.test(candidate));
      if (heard.length === 0) continue;
      for (const name of heard) if (this.#names.size < MOST_NAMES) this.#names.add(name);
      const name = this.#choose(heard, armJoints);
      if (name === null) return null;
      const [position] = readJoints(message, [name]).positions as [number];
      return convention ? stateOfWidth(2 * position, convention) : position;
    }
    return null;
  }

  #choose(heard: readonly string[], armJoints: readonly string[] | null): string | null {
    if (this.#names.size === 1) return heard[0]!;
    const prefix = armJoints?.[0]?.replace(/joint\d*$/, '') ?? '';
    const own = prefix === '' ? [] : [...this.#names].filter((name) => name.startsWith(prefix));
    if (own.length === 1) return heard.includes(own[0]!) ? own[0]! : null;
    throw new InputError({
      code: 'gripper.ambiguous',
      message: `the joint states are of several grippers (${[...this.#names].join(', ')}), and their names do not tell which is the arm's`,
      remedy:
        "name the arm's joints, which begin as those of its gripper do, with a line in the configuration: arm.joints",
    });
  }
}
