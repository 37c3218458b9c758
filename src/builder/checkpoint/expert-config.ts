import { z } from 'zod';
import type {
  ActionExpertArchitecture,
  LanguageArchitecture,
  TrajectoryExpertArchitecture,
} from '../../inference/architecture.js';
import type { PolicyInput } from '../../inference/model-input.js';
import { ROBOTIQ_2F85 } from '../../core/gripper.js';
import type { Normalization } from '../../planning/normalization.js';
import { readOptions, refusedOption } from './option-errors.js';

const count = z.number().int().positive();
const layerMode = z.enum(['per_layer', 'even', 'last', 'mean']);

const policySchema = z.object({
  action_dim: count,
  action_horizon: count,
  n_action_steps: count,
  n_obs_steps: count.default(1),
  // The published wrapper falls back on this.
  obs_step_delta: count.default(8),
  action_expert_layer_mode: layerMode.default('per_layer'),
  flow_matching_num_steps: count,
  states_mode: z
    .enum(['cross_attn', 'self_attn', 'skip', 'zero', 'set_arm_zero', 'set_gripper_zero'])
    .default('cross_attn'),
});

const expertSchema = z.strictObject({
  max_horizon: count,
  hidden_size: count,
  num_layers: count,
  num_heads: count,
  mlp_ratio: z.number().positive(),
  timestep_embed_dim: count,
  context_layer_norm: z.boolean().default(true),
});
/** The model's own action_dim takes the place of the expert's. */
const EXPERT_IGNORED = ['action_dim', 'dropout', 'attn_dropout'];

const processorSchema = z.strictObject({
  stats_by_repo: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))),
  default_repo_id: z.string().nullish(),
  action_key: z.string().default('action'),
  state_keys: z.array(z.string()).default(['observation.state']),
  action_norm_mode: z.enum(['mean_std', 'min_max', 'quantiles', 'quantile10']).nullish(),
  state_norm_mode: z.enum(['mean_std', 'min_max', 'quantiles', 'quantile10']).nullish(),
});

/** Statistics that the published policy asks for first. */
const REPOSITORY = 'synthmanip';
/** The published policy's cameras, exo first (`SynthVLAPolicy`); a checkpoint does not name them. */
const CAMERAS = ['exo_camera_1', 'wrist_camera'];
/** Seven joints and the gripper, where nothing says otherwise. */
const DEFAULT_STATE_SIZE = 8;

export function readActionExpert(
  file: string,
  model: Readonly<Record<string, unknown>>,
  language: LanguageArchitecture,
): { readonly actionExpert: ActionExpertArchitecture; readonly policy: PolicyInput } {
  const options = readOptions(file, 'model', model, policySchema);
  const expert = readOptions(file, 'model.action_expert', model['action_expert'], expertSchema, EXPERT_IGNORED);
  checkBlocks(file, 'model.action_expert.num_layers', options.action_expert_layer_mode, expert.num_layers, language);
  const state = readNormalization(file, model, 'robot_preprocessor', 'state');
  const action = readNormalization(file, model, 'robot_postprocessor', 'action');
  const stateSize = sizeOf(state) ?? DEFAULT_STATE_SIZE;
  if (stateSize > expert.hidden_size)
    throw refusedOption(file, 'model.action_expert.hidden_size', expert.hidden_size, `a state has ${stateSize} values`);
  if ((sizeOf(action) ?? options.action_dim) !== options.action_dim)
    throw refusedOption(
      file,
      'model.robot_postprocessor',
      sizeOf(action),
      `an action has ${options.action_dim} values`,
    );
  return {
    actionExpert: {
      width: expert.hidden_size,
      heads: expert.num_heads,
      blocks: expert.num_layers,
      // As Python's int(): truncated.
      mlpWidth: Math.trunc(expert.hidden_size * expert.mlp_ratio),
      timeWidth: expert.timestep_embed_dim,
      maxHorizon: Math.max(expert.max_horizon, options.action_horizon),
      contextNorm: expert.context_layer_norm,
      layerMode: options.action_expert_layer_mode,
      // Of a single state row the published slices zero everything.
      stateMode: options.states_mode.startsWith('set_')
        ? 'zero'
        : (options.states_mode as ActionExpertArchitecture['stateMode']),
      actionSize: options.action_dim,
      stateSize,
      horizon: options.action_horizon,
      flowSteps: options.flow_matching_num_steps,
    },
    policy: {
      cameras: CAMERAS,
      observationSteps: options.n_obs_steps,
      observationStepDelta: options.obs_step_delta,
      state,
      action,
      // A checkpoint says neither; these are those of the published policies.
      actions: 'joint_pos',
      gripper: ROBOTIQ_2F85,
      executedSteps: Math.min(options.n_action_steps, options.action_horizon),
    },
  };
}

const trajectorySchema = z.strictObject({
  hidden_size: count,
  num_layers: count,
  num_heads: count,
  mlp_ratio: z.number().positive(),
  timestep_embed_dim: count,
  context_layer_norm: z.boolean().default(true),
  layer_mode: layerMode.default('per_layer'),
  num_points: count,
  history_size: count,
  horizon: count,
  point_rope_theta: z.number().positive().default(10_000),
  frame_rope_theta: z.number().positive().default(10_000),
  units_per_metre: z.number().positive().default(1),
});

/** The layout that this project defines for the flow-matching forecaster, of which no checkpoint was published. */
export function readTrajectoryExpert(
  file: string,
  model: Readonly<Record<string, unknown>>,
  language: LanguageArchitecture,
): TrajectoryExpertArchitecture {
  const path = 'model.trajectory_expert';
  const expert = readOptions(file, path, model['trajectory_expert'], trajectorySchema, ['dropout', 'attn_dropout']);
  const { flow_matching_num_steps: flowSteps } = readOptions(
    file,
    'model',
    model,
    z.object({ flow_matching_num_steps: count.default(10) }),
  );
  checkBlocks(file, `${path}.num_layers`, expert.layer_mode, expert.num_layers, language);
  const headSize = expert.hidden_size / expert.num_heads;
  if (headSize % 4 !== 0)
    throw refusedOption(
      file,
      `${path}.num_heads`,
      expert.num_heads,
      'heads are rotated along two axes, so their size must be a multiple of 4',
    );
  return {
    width: expert.hidden_size,
    heads: expert.num_heads,
    blocks: expert.num_layers,
    mlpWidth: Math.trunc(expert.hidden_size * expert.mlp_ratio),
    timeWidth: expert.timestep_embed_dim,
    contextNorm: expert.context_layer_norm,
    layerMode: expert.layer_mode,
    points: expert.num_points,
    history: expert.history_size,
    horizon: expert.horizon,
    flowSteps,
    pointTheta: expert.point_rope_theta,
    frameTheta: expert.frame_rope_theta,
    unitsPerMetre: expert.units_per_metre,
  };
}

function checkBlocks(file: string, option: string, mode: string, blocks: number, language: LanguageArchitecture): void {
  if (mode === 'per_layer' && blocks !== language.layers)
    throw refusedOption(file, option, blocks, `with a block per layer it must be the decoder's ${language.layers}`);
}

const STATISTICS = { min_max: ['min', 'max'], quantiles: ['q01', 'q99'], quantile10: ['q10', 'q90'] } as const;

/** No processor at all means raw numbers, as in the published code. */
function readNormalization(
  file: string,
  model: Readonly<Record<string, unknown>>,
  section: 'robot_preprocessor' | 'robot_postprocessor',
  what: 'state' | 'action',
): Normalization {
  const path = `model.${section}`;
  if (model[section] === null || model[section] === undefined) return { mode: 'identity' };
  const processor = readOptions(file, path, model[section], processorSchema);
  const mode = what === 'state' ? processor.state_norm_mode : processor.action_norm_mode;
  if (!mode) return { mode: 'identity' };
  const repositories = Object.keys(processor.stats_by_repo);
  const repository = [REPOSITORY, processor.default_repo_id, repositories.length === 1 ? repositories[0] : null].find(
    (name): name is string => name !== null && name !== undefined && repositories.includes(name),
  );
  if (repository === undefined)
    throw refusedOption(file, `${path}.stats_by_repo`, repositories, `none of them is "${REPOSITORY}" or the default`);
  const tables = processor.stats_by_repo[repository]!;
  // Of several state keys the last one with statistics counts, and a vector without statistics passes as it is: so does the published code.
  const keys = what === 'state' ? processor.state_keys : [processor.action_key];
  const key = keys.findLast((name) => tables[name] !== undefined);
  if (key === undefined) return { mode: 'identity' };
  const table = tables[key]!;
  const numbers = (name: string): number[] => {
    const parsed = z.array(z.number()).min(1).safeParse(table[name]);
    if (parsed.success) return parsed.data;
    throw refusedOption(
      file,
      `${path}.stats_by_repo.${repository}.${key}.${name}`,
      table[name],
      `${mode} needs a list of numbers there`,
    );
  };
  if (mode === 'mean_std') return { mode, mean: numbers('mean'), std: numbers('std') };
  const [low, high] = STATISTICS[mode];
  return { mode, low: numbers(low), high: numbers(high) };
}

function sizeOf(normalization: Normalization): number | null {
  if (normalization.mode === 'identity') return null;
  return normalization.mode === 'mean_std' ? normalization.mean.length : normalization.low.length;
}
