import { z } from 'zod';
import type { Architecture } from '../../inference/architecture.js';
import type { FrameLayout, ImageLayout } from '../../inference/model-input.js';
import type { CheckpointDescription, Task } from './description.js';
import { readPortGrounding } from './grounding-config.js';
import { readOptions, refusedOption } from './option-errors.js';

/** The Hugging Face port of Molmo2, MolmoMotion and MolmoPoint: `config.json` with its processor files beside it. */

const count = z.number().int().positive();
const nullish = z.null().optional();

const textSchema = z.strictObject({
  hidden_size: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count,
  vocab_size: count,
  additional_vocab_size: z.number().int().nonnegative(),
  qkv_bias: z.boolean(),
  num_hidden_layers: count,
  intermediate_size: count,
  hidden_act: z.literal('silu'),
  rope_theta: z.number().positive(),
  rope_scaling: nullish,
  rope_scaling_layers: nullish,
  use_qk_norm: z.boolean(),
  qk_norm_type: z.enum(['qwen3', 'olmo']),
  layer_norm_eps: z.number().positive(),
  norm_after: z.boolean(),
  max_position_embeddings: count,
  tie_word_embeddings: z.boolean().default(false),
});
const vitSchema = z.strictObject({
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count,
  hidden_act: z.enum(['gelu_pytorch_tanh', 'gelu']),
  layer_norm_eps: z.number().positive(),
  image_default_input_size: z.tuple([count, count]),
  image_patch_size: count,
  image_num_pos: count,
});
const adapterSchema = z.strictObject({
  vit_layers: z.array(z.number().int()).min(1),
  pooling_attention_mask: z.boolean(),
  hidden_size: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count,
  hidden_act: z.literal('silu'),
  intermediate_size: count,
  text_hidden_size: count,
  attention_pooling_out_layer: z.boolean().default(true),
  positional_embeddings: nullish,
});
/** Of training, and names that say what the section is. */
const IGNORED =
  'attention_dropout residual_dropout embedding_dropout image_feature_dropout attn_implementation float32_attention initializer_range model_type use_cache dtype torch_dtype'.split(
    ' ',
  );

const configSchema = z.looseObject({
  model_type: z.enum(['molmo2', 'molmo_point']),
  text_config: z.unknown(),
  vit_config: z.unknown(),
  adapter_config: z.unknown(),
});

const window = z.tuple([count, count]);
const imageProcessorSchema = z.looseObject({
  max_crops: count,
  overlap_margins: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
  pooling_size: window,
  image_mean: z.tuple([z.literal(0.5), z.literal(0.5), z.literal(0.5)]),
  image_std: z.tuple([z.literal(0.5), z.literal(0.5), z.literal(0.5)]),
  resample: z.literal(2),
});
const videoProcessorSchema = z.looseObject({
  num_frames: count,
  pooling_size: window,
  image_mean: z.tuple([z.literal(0.5), z.literal(0.5), z.literal(0.5)]),
  image_std: z.tuple([z.literal(0.5), z.literal(0.5), z.literal(0.5)]),
  resample: z.literal(2),
});
/** Of videos: other values make other prompts than those that are laid out here. */
const videoPromptSchema = z.looseObject({
  use_frame_special_tokens: z.literal(true).optional(),
  video_use_col_tokens: z.literal(false).optional(),
});
const processorSchema = z.looseObject({
  image_use_col_tokens: z.boolean().default(true),
  use_single_crop_col_tokens: z.boolean().nullable().default(null),
  use_single_crop_start_token: z.boolean().default(true),
  use_low_res_token_for_global_crops: z.boolean().default(false),
});

/** The port takes lists of any length; the graph has an input for each image of the longest. Molmo2's own recipe trains with five. */
const MAX_IMAGES = 5;

/** Contents of the JSON files of a checkpoint, by name. */
export interface HuggingFaceFiles {
  readonly config: unknown;
  readonly processor: unknown;
  readonly imageProcessor: unknown;
  /** Null where there is none. */
  readonly videoProcessor: unknown;
}

/** @throws InputError `checkpoint.option` for an option that cannot be honoured. */
export function readHuggingFaceConfig(folder: string, files: HuggingFaceFiles, task: Task): CheckpointDescription {
  const file = `${folder}/config.json`;
  if (task === 'policy')
    throw refusedOption(
      file,
      'model_type',
      'molmo2',
      'a policy has an action expert, which the Hugging Face layout does not know; give the native checkpoint',
    );
  const config = readOptions(file, 'config', files.config, configSchema);
  const isPoint = config.model_type === 'molmo_point';
  if (isPoint && task !== 'pointing')
    throw refusedOption(
      file,
      'model_type',
      config.model_type,
      `it answers in points, so that no ${task} bundle is built from it`,
    );
  const text = readOptions(file, 'text_config', config.text_config, textSchema, IGNORED);
  const vit = readOptions(file, 'vit_config', config.vit_config, vitSchema, IGNORED);
  const adapter = readOptions(file, 'adapter_config', config.adapter_config, adapterSchema, IGNORED);
  const same = (option: string, value: number, expected: number): void => {
    if (value !== expected) throw refusedOption(file, option, value, `the other sections ask for ${expected}`);
  };
  same('adapter_config.hidden_size', adapter.hidden_size, vit.hidden_size);
  same('adapter_config.num_attention_heads', adapter.num_attention_heads, vit.num_attention_heads);
  same('adapter_config.num_key_value_heads', adapter.num_key_value_heads, vit.num_key_value_heads);
  same('adapter_config.head_dim', adapter.head_dim, vit.head_dim);
  same('adapter_config.text_hidden_size', adapter.text_hidden_size, text.hidden_size);
  const [height, width] = vit.image_default_input_size;
  same('vit_config.image_num_pos', vit.image_num_pos, (height / vit.image_patch_size) * (width / vit.image_patch_size));
  const taps = adapter.vit_layers.map((layer) => (layer < 0 ? vit.num_hidden_layers + layer : layer));
  if (taps.some((tap) => tap < 0 || tap >= vit.num_hidden_layers))
    throw refusedOption(
      file,
      'adapter_config.vit_layers',
      adapter.vit_layers,
      `there are ${vit.num_hidden_layers} layers`,
    );
  const blocks = Math.max(...taps) + 1;
  const architecture: Architecture = {
    vision: {
      cropSize: [height, width],
      patchSize: vit.image_patch_size,
      width: vit.hidden_size,
      heads: vit.num_attention_heads,
      kvHeads: vit.num_key_value_heads,
      headSize: vit.head_dim,
      mlpWidth: vit.intermediate_size,
      blocks,
      // The converter writes the blocks that are used, whatever number the configuration says.
      storedBlocks: blocks,
      taps,
      activation: vit.hidden_act === 'gelu' ? 'gelu' : 'gelu_tanh',
      epsilon: vit.layer_norm_eps,
    },
    connector: {
      pooling: 'attention_meanq',
      maskEmpty: adapter.pooling_attention_mask,
      ...(!adapter.attention_pooling_out_layer && { outputProjection: false }),
      projector: 'mlp',
      projectorWidth: adapter.intermediate_size,
    },
    language: {
      width: text.hidden_size,
      heads: text.num_attention_heads,
      kvHeads: text.num_key_value_heads,
      headSize: text.head_dim,
      mlpWidth: text.intermediate_size,
      layers: text.num_hidden_layers,
      ropeTheta: text.rope_theta,
      epsilon: text.layer_norm_eps,
      qkvBias: text.qkv_bias,
      qkNorm: !text.use_qk_norm ? 'none' : text.qk_norm_type === 'qwen3' ? 'head' : 'width',
      normAfter: text.norm_after,
      vocabulary: text.vocab_size,
      additionalVocabulary: text.additional_vocab_size,
      ...(isPoint && { predictsAdditional: true }),
      // Molmo2's converter copies a tied embedding into lm_head, so that its files always have an output matrix of their own.
      tiedEmbedding: isPoint && text.tie_word_embeddings,
      maxLength: text.max_position_embeddings,
      // The port knows no other mode.
      imageAttention: 'image_tokens',
    },
    ...(isPoint && { grounding: readPortGrounding(file, files.config) }),
  };
  return {
    task,
    layout: 'hugging-face',
    architecture,
    resizeBottleneck: false,
    input: task === 'forecast' ? frameLayout(folder, files) : imageLayout(folder, files, isPoint),
    ...(task === 'pointing' && files.videoProcessor !== null && { video: frameLayout(folder, files) }),
    prompt: { style: task === 'forecast' ? 'video_qa' : null },
    tokenizer: { identifier: null, paddedTo: null },
  };
}

function frameLayout(folder: string, files: HuggingFaceFiles): FrameLayout {
  const video = readOptions(
    `${folder}/video_preprocessor_config.json`,
    'video',
    files.videoProcessor ?? {},
    videoProcessorSchema,
  );
  readOptions(`${folder}/processor_config.json`, 'processor', files.processor, videoPromptSchema);
  return { kind: 'frames', maxFrames: video.num_frames, pooling: video.pooling_size, frameTokens: 'each' };
}

function imageLayout(folder: string, files: HuggingFaceFiles, isPoint: boolean): ImageLayout {
  const image = readOptions(`${folder}/preprocessor_config.json`, 'image', files.imageProcessor, imageProcessorSchema);
  const processor = readOptions(`${folder}/processor_config.json`, 'processor', files.processor, processorSchema);
  if (processor.use_low_res_token_for_global_crops && !isPoint)
    throw refusedOption(
      `${folder}/processor_config.json`,
      'processor.use_low_res_token_for_global_crops',
      true,
      'the features of those tokens are read by MolmoPoint only',
    );
  return {
    kind: 'images',
    maxImages: MAX_IMAGES,
    crops: 'overlap-and-resize-c2',
    pooling: image.pooling_size,
    multiImagePooling: image.pooling_size,
    columnTokens: processor.use_single_crop_col_tokens ?? processor.image_use_col_tokens,
    tileColumnTokens: processor.image_use_col_tokens,
    lowResolutionStart: processor.use_single_crop_start_token,
    maxTiles: image.max_crops,
    multiImageMaxTiles: image.max_crops,
    overlapMargins: image.overlap_margins,
    clampTilingSize: false,
    ...(processor.use_low_res_token_for_global_crops && { lowResolutionPatches: true }),
    labels: 'sequence',
  };
}
