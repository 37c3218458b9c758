import { expect, it } from '@jest/globals';
import type { JointStateMessage } from '../../src/bus/messages.js';
import { readGripperState } from '../../src/sensing/joint-states.js';

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
  const found = readGripperState(message(names, positions));
  if (state === null) expect(found).toBeNull();
  else expect(found).toBeCloseTo(state, 9);
});
it('a gripper joint that is no number is refused', () => {
  expect(() => readGripperState(message(['finger_joint'], [Number.NaN]))).toThrow(/NaN for finger_joint/);
});
