import type { JointStateMessage } from '../bus/messages.js';
import type { JointPositions } from '../core/joint-state.js';
import { GripperReader } from '../sensing/gripper-reader.js';
import { JointReader, type ArmNames } from '../sensing/joint-reader.js';

/** Joints and gripper of the arm, as joint states last told them. Other publishers (a mobile base, a second arm) share the topic; theirs are left out. */
export class ArmState {
  readonly #jointReader: JointReader;
  readonly #gripperReader = new GripperReader();
  #joints: JointPositions | null = null;
  #gripper: number | null = null;

  constructor(names: ArmNames) {
    this.#jointReader = new JointReader(names);
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

  /** Null for a message without this arm's joints. @throws what JointReader refuses. */
  hearJoints(message: JointStateMessage): JointPositions | null {
    const joints = this.#jointReader.read(message);
    this.#joints = joints ?? this.#joints;
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
}
