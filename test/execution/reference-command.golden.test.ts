import { expect, it } from '@jest/globals';
import { referenceCommand } from '../../src/execution/reference-command.js';
import { describeShared, sharedJson } from '../golden/shared.js';

interface Vector {
  readonly name: string;
  readonly action_type: string;
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
  const absolute = finite.filter((v) => v.action_type === 'joint_pos');
  it.each(absolute.map((v) => [v.name, v] as const))('%s', (name, vector) => {
    const { arm, gripper } = referenceCommand(vector.action, vector.measured, name.includes('0.25') ? 0.25 : limit);
    arm.forEach((value, j) => {
      expect(Math.abs(value - vector.command.arm[j]!)).toBeLessThanOrEqual(tolerance);
    });
    expect([gripper]).toEqual(vector.command.gripper);
  });
});
