import type { JointStateMessage } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import { GripperReader } from '../sensing/gripper-reader.js';
import { JointReader, type ArmNames } from '../sensing/joint-reader.js';

/** By which the clocks of two machines may differ. */
const CLOCK_UNCERTAINTY = fromSeconds(0.1);
/** By which a network that changes the order of messages makes one late. */
const LONGEST_REORDER = fromSeconds(1);

/** Joints and gripper of the arm, as joint states last told them. Other publishers (a mobile base, a second arm) share the topic; theirs are left out. */
export class ArmState {
  readonly #jointReader: JointReader;
  readonly #gripperReader = new GripperReader();
  readonly #now: () => Nanoseconds;
  #joints: JointPositions | null = null;
  #gripper: number | null = null;

  constructor(names: ArmNames, now: () => Nanoseconds) {
    this.#jointReader = new JointReader(names);
    this.#now = now;
  }

  /** Null while none has come. */
  get joints(): JointPositions | null {
    return this.#joints;
  }

  /** State of the gripper, as a policy takes it; null while none has come. */
  get gripper(): number | null {
    return this.#gripper;
  }

  /** Whose joints are read. */
  get names(): Pick<JointReader, 'armJoints' | 'hasRead'> {
    return this.#jointReader;
  }

  /** Null for a message without this arm's joints. @throws what JointReader refuses; InputError `joints.older`. */
  hearJoints(message: JointStateMessage): JointPositions | null {
    const joints = this.#jointReader.read(message);
    if (!joints) return null;
    this.#checkNewer(joints);
    this.#joints = joints;
    return joints;
  }

  /** Null for a message without this arm's gripper. @throws what GripperReader refuses. */
  hearGripper(message: JointStateMessage): number | null {
    const gripper = this.#gripperReader.read(message, this.#jointReader.armJoints);
    this.#gripper = gripper ?? this.#gripper;
    return gripper;
  }

  clear(): void {
    this.#joints = null;
    this.#gripper = null;
  }

  /**
   * A network that changes the order of messages must not set the arm back. Joints that are dated into the future are replaced by any others, because
   * nothing else would come after them. Joints that are older by far tell of a clock that is wrong: they are passed on to the watchdogs, which stop the
   * arm for it. @throws InputError `joints.older`.
   */
  #checkNewer({ stamp }: JointPositions): void {
    const known = this.#joints;
    if (!known || stamp >= known.stamp || known.stamp - stamp > LONGEST_REORDER) return;
    if (known.stamp > this.#now() + CLOCK_UNCERTAINTY) return;
    throw new InputError({
      code: 'joints.older',
      message: `a joint state is ${toSeconds(known.stamp - stamp).toFixed(3)} s older than the one before it`,
      remedy: 'it is not used; look for two publishers of the same joints, or a network that changes their order',
    });
  }
}
