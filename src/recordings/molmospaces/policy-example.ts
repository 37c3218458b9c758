import { InputError } from '../../core/errors.js';
import { groupValues, supervisedObservations, type Rollout } from './rollout.js';

/** What a policy is trained on at one step: state, and the commands that follow it. */
export interface PolicyExample {
  readonly instruction: string;
  /** Arm joints in radians, then the first gripper joint, float32. */
  readonly state: readonly number[];
  /** `[horizon][8]`: commanded arm joints and gripper, float32; zeros beyond the end. */
  readonly actions: readonly (readonly number[])[];
  /** True for rows beyond the last usable command. */
  readonly isPadding: readonly boolean[];
}

/** Usable observations of a rollout, in order. */
export function usableLength(rollout: Rollout): number {
  const [first, last] = supervisedObservations(rollout);
  return Math.max(0, last - first + 1);
}

/** The example at an observation row, as MolmoBot's training reader builds it. @throws InputError `rollout.row` where a needed row is cut off. */
export function policyExample(rollout: Rollout, step: number, horizon: number): PolicyExample {
  const rows = (group: 'qpos' | 'jointPos', row: number): readonly number[] => {
    const values = groupValues(rollout[group], row);
    const arm = values?.['arm'];
    const gripper = values?.['gripper']?.[0];
    if (!arm || gripper === undefined) {
      throw new InputError({
        code: 'rollout.row',
        message: `${rollout.key}: row ${row} of ${group} has no arm and gripper values`,
        remedy: 'leave this rollout out: its rows were cut off when it was recorded',
      });
    }
    return [...arm, gripper].map(Math.fround);
  };
  const state = rows('qpos', step);
  const last = usableLength(rollout);
  const isPadding = Array.from({ length: horizon }, (_, k) => step + k >= last);
  return {
    instruction: rollout.taskDescription,
    state,
    actions: isPadding.map((padding, k) => (padding ? state.map(() => 0) : rows('jointPos', step + 1 + k))),
    isPadding,
  };
}
