import { expect, it } from '@jest/globals';
import { readActionExpert } from '../../src/builder/checkpoint/expert-config.js';
import { InputError } from '../../src/core/errors.js';
import { normalize, unnormalize } from '../../src/planning/normalization.js';
import { describeShared, sharedJson } from '../golden/shared.js';

interface Case {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly repo: string;
  readonly state: readonly (readonly number[])[];
  readonly actions: readonly (readonly number[])[];
  readonly state_normalised: readonly (readonly number[])[] | null;
  readonly actions_unnormalised: readonly (readonly number[])[] | null;
}

describeShared('normalisation of state and actions', 'golden/bot/execution/normalisation.json', () => {
  const { cases } = sharedJson<{ readonly cases: readonly Case[] }>('golden', 'bot', 'execution', 'normalisation.json');
  // Another repository than the policy's own is a setting of the reference alone.
  it.each(cases.filter(({ repo }) => repo === 'synthmanip').map((c) => [c.name, c] as const))('%s', (_, made) => {
    const model = {
      action_dim: made.actions[0]!.length,
      action_horizon: 16,
      n_action_steps: 8,
      flow_matching_num_steps: 10,
      action_expert_layer_mode: 'last',
      action_expert: {
        max_horizon: 32,
        hidden_size: 64,
        num_layers: 2,
        num_heads: 4,
        mlp_ratio: 4,
        timestep_embed_dim: 16,
      },
      robot_preprocessor: made.config,
      robot_postprocessor: made.config,
    };
    const read = (): ReturnType<typeof readActionExpert> =>
      readActionExpert('config.yaml', model, { layers: 2 } as Parameters<typeof readActionExpert>[2]);
    let policy;
    try {
      ({ policy } = read());
    } catch (error) {
      // Numbers that the reference passes through for want of statistics are refused here: they would not be what the network knows.
      expect(error).toBeInstanceOf(InputError);
      expect([
        'unknown mode',
        'missing statistics for the mode',
        'wanted repo absent, two others, no default',
      ]).toContain(made.name);
      return;
    }
    made.state.forEach((state, i) => {
      near(normalize(state, policy.state), made.state_normalised![i]!);
    });
    made.actions.forEach((action, i) => {
      near(unnormalize(action, policy.action), made.actions_unnormalised![i]!);
    });
  });
});

function near(found: ArrayLike<number>, expected: readonly number[]): void {
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(value)));
  });
}
