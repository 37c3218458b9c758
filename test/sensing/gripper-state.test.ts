import { describe, expect, it } from '@jest/globals';
import type { JointStateMessage } from '../../src/bus/messages.js';
import { GripperReader } from '../../src/sensing/gripper-reader.js';

const message = (name: string[], position: number[]): JointStateMessage => ({
  header: { stamp: { sec: 1, nanosec: 0 }, frame_id: '' },
  name,
  position,
  velocity: [],
  effort: [],
});

it.each([
  ['MolmoSpaces', ['fr3_joint1', 'gripper/left_driver_joint', 'gripper/right_driver_joint'], [0, 0.3, 0.3], 0.3],
  ['a Robotiq by its knuckle', ['robotiq_85_left_knuckle_joint'], [0.7], 0.7],
  ['a Robotiq by its finger joint', ['panda_joint1', 'finger_joint'], [0, 0.8], 0.8],
  ['an open Franka hand', ['fr3_finger_joint1', 'fr3_finger_joint2'], [0.04, 0.04], 0],
  ['a closed Franka hand', ['panda_finger_joint1'], [0], 0.824033],
  ['a Franka hand half open', ['fr3_finger_joint1'], [0.02], 0.824033 / 2],
  ['no gripper', ['fr3_joint1', 'fr3_joint2'], [0, 0], null],
])('the gripper of %s', (_, names, positions, state) => {
  const found = new GripperReader().read(message(names, positions), null);
  if (state === null) expect(found).toBeNull();
  else expect(found).toBeCloseTo(state, 9);
});
it('a gripper joint that is no number is refused', () => {
  expect(() => new GripperReader().read(message(['finger_joint'], [Number.NaN]), null)).toThrow(/NaN for finger_joint/);
});
describe('of two grippers', () => {
  const both = ['left_fr3_finger_joint1', 'right_fr3_finger_joint1'];

  it("the arm's is read, whichever comes first", () => {
    const reader = new GripperReader();
    expect(reader.read(message(both, [0.04, 0]), ['right_fr3_joint1'])).toBeCloseTo(0.824033, 9);
    expect(reader.read(message([both[0]!], [0.04]), ['right_fr3_joint1'])).toBeNull();
    expect(reader.read(message(both, [0.04, 0]), ['left_fr3_joint1'])).toBeCloseTo(0, 9);
  });
  it.each([[null], [['fr3_joint1']]])('none is read where the names do not tell: arm %j', (arm) => {
    expect(() => new GripperReader().read(message(both, [0.04, 0]), arm)).toThrow(
      /several grippers \(left_fr3_finger_joint1, right_fr3_finger_joint1\)/,
    );
  });
  it('in separate messages, the second makes them ambiguous', () => {
    const reader = new GripperReader();
    expect(reader.read(message([both[0]!], [0.04]), null)).toBeCloseTo(0, 9);
    expect(() => reader.read(message([both[1]!], [0.04]), null)).toThrow(/several grippers/);
  });
});
