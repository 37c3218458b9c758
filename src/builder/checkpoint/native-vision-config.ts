import { z } from 'zod';
import type { ConnectorArchitecture, LanguageArchitecture, VisionArchitecture } from '../../inference/architecture.js';
import { readOptions, refusedOption } from './option-errors.js';

const count = z.number().int().positive();
const nullish = z.null().optional();

const vitSchema = z.strictObject({
  image_model_type: z.literal('siglip'),
  image_default_input_size: z.tuple([count, count]),
  image_patch_size: count,
  image_emb_dim: count,
  image_num_heads: count,
  image_num_key_value_heads: count,
  image_num_layers: count,
  image_head_dim: count,
  image_mlp_dim: count,
  image_mlp_activations: z.enum(['gelu_pytorch_tanh', 'gelu']),
  image_num_pos: count,
  image_norm_eps: z.number().positive(),
  resize_mode: z.literal('siglip'),
  normalize: z.literal('siglip'),
});
const VIT_IGNORED = [
  'image_pos_patch_size image_dropout_rate attention_dropout residual_dropout initializer_range float32_attention attention_type',
  'sdpa_backend activation_checkpointing init_path pad_value',
].flatMap((line) => line.split(' '));

const visionBackboneSchema = z.strictObject({
  vit: z.unknown(),
  image_pooling_2d: z.enum(['attention_meanq', 'attention', 'mean']),
  pooling_attention_mask: z.boolean(),
  image_projector: z.enum(['mlp', 'linear']),
  image_padding_embed: nullish,
  vit_layers: z.array(z.number().int()).min(1),
  skip_unused_layers: z.boolean().default(true),
  pooling_out_layer: z.boolean().default(true),
  positional_embeddings: nullish,
  use_deepstack: z.literal(false).optional(),
  pool_size_embeds: nullish,
  use_resize_bottleneck: z.boolean().default(false),
});
/** MolmoPoint's connector has one kind of pooling, and does not say so. */
const POINT_POOLING = { image_pooling_2d: 'attention_meanq' } as const;
/** `share_connector` matters to deep stacks alone; pixels are normalised the same wherever that is done; the rest is of training. */
const VISION_IGNORED = [
  'share_connector image_feature_dropout connector_activation_checkpointing compile_vit compile_connector normalize_on_gpu',
  'use_image_augmentation',
].flatMap((line) => line.split(' '));

/**
 * Vision tower and connector of a native configuration.
 * @param model the section `model:`. @throws InputError `checkpoint.option`.
 */
export function readNativeVision(
  file: string,
  model: Readonly<Record<string, unknown>>,
  language: LanguageArchitecture,
): { readonly vision: VisionArchitecture; readonly connector: ConnectorArchitecture; readonly bottleneck: boolean } {
  const isFlat = model['vision_backbone'] === undefined && model['connector'] !== undefined;
  const path = isFlat ? 'model.connector' : 'model.vision_backbone';
  const vitPath = isFlat ? 'model.vit' : 'model.vision_backbone.vit';
  const section = isFlat
    ? { ...POINT_POOLING, ...(model['connector'] as object), vit: model['vit'] }
    : model['vision_backbone'];
  const backbone = readOptions(file, path, section, visionBackboneSchema, VISION_IGNORED);
  const vit = readOptions(file, vitPath, backbone.vit, vitSchema, VIT_IGNORED);
  const taps = backbone.vit_layers.map((layer) => {
    const tap = layer < 0 ? vit.image_num_layers + layer : layer;
    if (tap < 0 || tap >= vit.image_num_layers)
      throw refusedOption(file, `${path}.vit_layers`, backbone.vit_layers, `there are ${vit.image_num_layers} layers`);
    return tap;
  });
  const blocks = Math.max(...taps) + 1;
  const [height, width] = vit.image_default_input_size;
  const patches = (height / vit.image_patch_size) * (width / vit.image_patch_size);
  if (vit.image_num_pos !== patches) {
    throw refusedOption(
      file,
      `${vitPath}.image_num_pos`,
      vit.image_num_pos,
      `a crop of ${height}x${width} has ${patches} patches, and resampling of the position table is not done`,
    );
  }
  return {
    vision: {
      cropSize: [height, width],
      patchSize: vit.image_patch_size,
      width: vit.image_emb_dim,
      heads: vit.image_num_heads,
      kvHeads: vit.image_num_key_value_heads,
      headSize: vit.image_head_dim,
      mlpWidth: vit.image_mlp_dim,
      blocks,
      storedBlocks: backbone.skip_unused_layers ? blocks : vit.image_num_layers,
      taps,
      activation: vit.image_mlp_activations === 'gelu' ? 'gelu' : 'gelu_tanh',
      epsilon: vit.image_norm_eps,
    },
    connector: {
      pooling: backbone.image_pooling_2d,
      maskEmpty: backbone.pooling_attention_mask,
      ...(!backbone.pooling_out_layer && { outputProjection: false }),
      projector: backbone.image_projector,
      projectorWidth: language.mlpWidth,
    },
    bottleneck: backbone.use_resize_bottleneck,
  };
}
