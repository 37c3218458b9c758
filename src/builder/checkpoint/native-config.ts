import { parse } from 'yaml';
import { z } from 'zod';
import { describeError, InputError } from '../../core/errors.js';
import type { Architecture, LanguageArchitecture } from '../../inference/architecture.js';
import type { FrameLayout, ImageLayout } from '../../inference/model-input.js';
import { readActionExpert, readTrajectoryExpert } from './expert-config.js';
import type { CheckpointDescription, Task } from './description.js';
import { NATIVE_GROUNDING_OPTIONS, readNativeGrounding } from './grounding-config.js';
import { readNativeVision } from './native-vision-config.js';
import { readOptions, refusedOption } from './option-errors.js';

/**
 * The OLMo-style configuration (`config.yaml`, everything under `model:`) of Molmo2, MolmoMotion and MolmoBot checkpoints. Defaults are those of
 * the published dataclasses, for dumps that are older than an option.
 */

const count = z.number().int().positive();
const nullish = z.null().optional();

const llmSchema = z.strictObject({
  d_model: count,
  n_heads: count,
  n_kv_heads: count.nullable().default(null),
  head_dim: count.nullable().default(null),
  qkv_bias: z.boolean().default(false),
  clip_qkv: nullish,
  n_layers: count,
  mlp_ratio: z.number().positive().default(4),
  mlp_hidden_size: count.nullable().default(null),
  activation_type: z.literal('swiglu').default('swiglu'),
  block_type: z.literal('sequential').default('sequential'),
  rope: z.literal(true),
  // Reduced precision of the rotation is an economy of training; full precision is what it stands for.
  rope_theta: z.number().positive(),
  rope_type: z.literal('default').default('default'),
  rope_factor: nullish,
  rope_high_freq_factor: nullish,
  rope_low_freq_factor: nullish,
  rope_attention_factor: nullish,
  rope_mscale: nullish,
  rope_mscale_all_dim: nullish,
  full_attention_layers: nullish,
  sliding_attention_rope_scaling: z.literal(false).optional(),
  attention_layer_norm: z.boolean().default(false),
  attention_layer_norm_type: z.enum(['qwen3', 'olmo']).default('olmo'),
  layer_norm_type: z.literal('rms'),
  layer_norm_with_affine: z.literal(true).optional(),
  layer_norm_eps: z.number().positive().nullable().default(null),
  attention_layer_norm_with_affine: z.literal(true).optional(),
  max_sequence_length: count,
  include_bias: z.literal(false),
  bias_for_layer_norm: z.literal(false).nullish(),
  norm_after: z.boolean().default(false),
  scale_logits: z.literal(false).optional(),
  vocab_size: count,
  additional_vocab_size: z.number().int().nonnegative().nullable().default(128),
  weight_tying: z.boolean(),
  embedding_size: count.nullable(),
  use_position_ids: z.literal(true).optional(),
  tokenizer: z.looseObject({ identifier: z.string() }),
  can_predict_extra_tokens: z.boolean().default(false),
  normalize_input_embeds: z.literal(false).optional(),
  fix_pad_tokenizer: z.boolean().default(false),
});
/** Of training, of memory, or of parts that `block_type` and `rope_type` leave out. */
const LLM_IGNORED = [
  'rope_full_precision rope_original_max_position_embeddings rope_beta_fast rope_beta_slow rope_truncate attention_type',
  'float32_attention attention_dropout residual_dropout response_residual_dropout embedding_dropout max_position_embeddings',
  'moe_num_experts moe_top_k moe_mlp_impl moe_log_expert_assignment moe_shared_expert moe_lbl_in_fp32 moe_interleave moe_loss_weight',
  'moe_zloss_weight moe_dropless moe_capacity_factor init_path init_incremental new_embedding_init_range initializer_range',
  'activation_checkpoint compile init_std init_fn init_cutoff_factor resize_vocab',
].flatMap((line) => line.split(' '));

const imageSchema = z.strictObject({
  crop_mode: z.enum(['resize', 'overlap-and-resize-c2']),
  use_col_tokens: z.boolean().default(true),
  max_crops: count,
  pooling_w: count,
  pooling_h: count,
  overlap_margins: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
  max_images: count.nullable().default(null),
  max_multi_image_crops: count.nullable().default(null),
  multi_image_pooling_w: count.nullable().default(null),
  multi_image_pooling_h: count.nullable().default(null),
  use_single_crop_col_tokens: z.boolean().nullable().default(null),
  use_single_crop_start_token: z.boolean().default(false),
  single_frame: z.boolean().default(true),
});
const IMAGE_IGNORED = ['high_res_max_crops', 'p_high_res'];

const videoSchema = z.looseObject({
  max_frames: count,
  pooling_w: count,
  pooling_h: count,
  time_mode: z.literal('per-frame-compact'),
  use_frame_special_tokens: z.literal(true).optional(),
  per_frame_special_token: z.boolean().default(false),
  periodic_high_res_frame: nullish,
});

const modelSchema = z.strictObject({
  model_name: z.string(),
  data_formatter: z.looseObject({
    message_format: z.literal('qwen3'),
    system_prompt: z.literal('demo_or_style_v2'),
    always_start_with_space: z.literal(false),
    image_last: z.literal(false).optional(),
  }),
  llm: z.unknown(),
  /** MolmoPoint has its two parts, `vit` and `connector`, in the model's own section. */
  vision_backbone: z.unknown().optional(),
  mm_preprocessor: z.looseObject({ image: z.unknown().optional(), video: z.unknown().optional() }),
  bi_directional_attn: z.enum(['image_tokens', 'within_image']).nullable(),
  use_2d_point_features: z.literal(false).optional(),
});
/** Read elsewhere: by expert-config, by native-vision-config, and by grounding-config. */
const MODEL_IGNORED = [
  'shared_low_high_embedding debug cp_enabled apply_cp_to_vision_backbone point_feat_patch_grid_size action_dim action_horizon n_action_steps',
  'n_obs_steps obs_step_delta action_expert action_expert_layer_mode flow_matching_num_steps flow_matching_cutoff flow_matching_beta_alpha',
  'flow_matching_beta_beta num_flow_timestamps same_noise_per_time states_mode robot_preprocessor robot_postprocessor trajectory_expert',
].flatMap((line) => line.split(' '));
const POINT_MODEL = 'molmo_point';

const MODEL_NAMES: Readonly<Record<Task, readonly string[]>> = {
  policy: ['molmobot', 'molmoact'],
  forecast: ['video_olmo_trajectory', 'video_olmo', 'molmo_motion_flow'],
  pointing: ['video_olmo', POINT_MODEL],
};

/** PyTorch's default for a norm whose eps is not configured. */
const DEFAULT_EPSILON = 1e-5;

/** @throws InputError `checkpoint.config` for a file that is no such configuration, `checkpoint.option` for an option that cannot be honoured. */
export function readNativeConfig(file: string, text: string, task: Task): CheckpointDescription {
  const root = parseYaml(file, text);
  const raw = root['model'] as Record<string, unknown>;
  const isPoint = raw['model_name'] === POINT_MODEL;
  const elsewhere = isPoint ? [...MODEL_IGNORED, 'vit', 'connector', ...NATIVE_GROUNDING_OPTIONS] : MODEL_IGNORED;
  const model = readOptions(file, 'model', raw, modelSchema, elsewhere);
  if (!MODEL_NAMES[task].includes(model.model_name)) {
    throw refusedOption(
      file,
      'model.model_name',
      model.model_name,
      `a ${task} bundle is built from ${MODEL_NAMES[task].join(' or ')}`,
    );
  }
  const llm = readOptions(file, 'model.llm', model.llm, llmSchema, LLM_IGNORED);
  const language: LanguageArchitecture = {
    width: llm.d_model,
    heads: llm.n_heads,
    kvHeads: llm.n_kv_heads ?? llm.n_heads,
    headSize: llm.head_dim ?? llm.d_model / llm.n_heads,
    mlpWidth: (llm.mlp_hidden_size ?? llm.mlp_ratio * llm.d_model) / 2,
    layers: llm.n_layers,
    ropeTheta: llm.rope_theta,
    epsilon: llm.layer_norm_eps ?? DEFAULT_EPSILON,
    qkvBias: llm.qkv_bias,
    qkNorm: !llm.attention_layer_norm ? 'none' : llm.attention_layer_norm_type === 'qwen3' ? 'head' : 'width',
    normAfter: llm.norm_after,
    vocabulary: llm.embedding_size ?? llm.vocab_size,
    additionalVocabulary: llm.additional_vocab_size ?? 0,
    ...(isPoint && { predictsAdditional: true }),
    tiedEmbedding: llm.weight_tying,
    maxLength: llm.max_sequence_length,
    imageAttention: model.bi_directional_attn ?? 'causal',
  };
  // A tied output matrix has the additional rows always; one of its own has them where the option says so.
  if (isPoint ? !(llm.can_predict_extra_tokens || llm.weight_tying) : llm.can_predict_extra_tokens)
    throw refusedOption(
      file,
      'model.llm.can_predict_extra_tokens',
      llm.can_predict_extra_tokens,
      'grounding tokens are said by MolmoPoint, and by no other model',
    );
  const { vision, connector, bottleneck } = readNativeVision(file, raw, language);
  const isFlow = model.model_name === 'molmo_motion_flow';
  const expert = task === 'policy' ? readActionExpert(file, raw, language) : null;
  const architecture: Architecture = {
    vision,
    connector,
    language,
    ...(expert && { actionExpert: expert.actionExpert }),
    ...(isFlow && { trajectoryExpert: readTrajectoryExpert(file, raw, language) }),
    ...(isPoint && { grounding: readNativeGrounding(file, raw) }),
  };
  return {
    task,
    layout: 'native',
    architecture,
    resizeBottleneck: bottleneck,
    input:
      task === 'forecast'
        ? frameLayout(file, model.mm_preprocessor)
        : { ...imageLayout(file, model.mm_preprocessor.image), ...(isPoint && { lowResolutionPatches: true }) },
    ...(task === 'pointing' && hasVideo(model.mm_preprocessor) && { video: frameLayout(file, model.mm_preprocessor) }),
    // The styles of MolmoBot and MolmoMotion; those of pointing stand in the list of styles that are not written out.
    prompt: { style: { policy: 'demo', forecast: 'video_qa', pointing: null }[task] },
    ...(expert && { policy: expert.policy }),
    tokenizer: {
      identifier: llm.tokenizer.identifier,
      paddedTo: llm.fix_pad_tokenizer ? (llm.embedding_size ?? llm.vocab_size) : llm.vocab_size,
    },
  };
}

function parseYaml(file: string, text: string): Record<string, unknown> {
  try {
    const root: unknown = parse(text);
    if (root !== null && typeof root === 'object' && 'model' in root) return root;
  } catch (cause) {
    throw notAConfig(file, describeError(cause).split('\n')[0]!);
  }
  throw notAConfig(file, 'it has no section model:');
}

function notAConfig(file: string, why: string): InputError {
  return new InputError({
    code: 'checkpoint.config',
    message: `${file} is not the configuration of a Molmo checkpoint: ${why}`,
    remedy: 'copy config.yaml from the checkpoint again',
  });
}

function imageLayout(file: string, value: unknown): ImageLayout {
  const image = readOptions(file, 'model.mm_preprocessor.image', value, imageSchema, IMAGE_IGNORED);
  const pooling: [number, number] = [image.pooling_h, image.pooling_w];
  return {
    kind: 'images',
    // Without a number the published code takes one image and refuses lists.
    maxImages: image.max_images ?? 1,
    crops: image.crop_mode,
    pooling,
    multiImagePooling: [image.multi_image_pooling_h ?? pooling[0], image.multi_image_pooling_w ?? pooling[1]],
    columnTokens: image.use_single_crop_col_tokens ?? image.use_col_tokens,
    tileColumnTokens: image.use_col_tokens,
    lowResolutionStart: image.use_single_crop_start_token,
    maxTiles: image.max_crops,
    multiImageMaxTiles: image.max_multi_image_crops ?? image.max_crops,
    overlapMargins: image.overlap_margins,
    clampTilingSize: true,
    labels: image.single_frame ? 'sequence' : 'views',
  };
}

function hasVideo({ video }: { readonly video?: unknown }): boolean {
  return video !== undefined && video !== null;
}

/** Older dumps have the video's options flat in the preprocessor's section; the loader then wraps every frame on its own. */
function frameLayout(
  file: string,
  preprocessor: { readonly video?: unknown; readonly [key: string]: unknown },
): FrameLayout {
  const isOld = !hasVideo(preprocessor);
  const path = `model.mm_preprocessor${isOld ? '' : '.video'}`;
  const video = readOptions(file, path, isOld ? preprocessor : preprocessor.video, videoSchema);
  return {
    kind: 'frames',
    maxFrames: video.max_frames,
    pooling: [video.pooling_h, video.pooling_w],
    frameTokens: isOld || video.per_frame_special_token ? 'each' : 'all',
  };
}
