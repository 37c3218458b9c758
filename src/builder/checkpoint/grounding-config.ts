import { z } from 'zod';
import type { GroundingArchitecture } from '../../inference/architecture.js';
import { readOptions } from './option-errors.js';

/** MolmoPoint's options of pointing, the same in both layouts. What is a literal here is the published recipe, and the only one that was released. */
const shared = {
  patch_embed_dim: z.number().int().positive().multipleOf(2),
  no_more_points_class: z.literal(true),
  layer_norm_x: z.literal(true),
  norm_logits: z.literal(true),
  patch_embedding_kind: z.literal('image_feature0'),
  embed_selected_vit_patch: z.literal('linear'),
  embed_location: z.literal(false).optional(),
  patch_location: z.literal('3x3'),
  mask_patches: z.enum(['always', 'inference']),
  mask_subpatches: z.enum(['always', 'inference']),
  mask_repeats: z.enum(['all', 'always', 'inference']),
  token_prediction_rotary: z.literal('one_d'),
  token_prediction_rotary_theta: z.number().positive(),
};
const portSchema = z.looseObject(shared);
const nativeSchema = z.looseObject({
  ...shared,
  shared_low_high_embedding: z.boolean().default(true),
  token_prediction_rotary_dims: z.null().optional(),
});

/** Names in the native section `model:`; `norm_x` matters only without `layer_norm_x`, and `sort_points` to training. */
export const NATIVE_GROUNDING_OPTIONS: readonly string[] = [
  ...Object.keys(nativeSchema.shape),
  'norm_x',
  'sort_points',
];

/** @throws InputError `checkpoint.option`. */
export function readNativeGrounding(file: string, model: Readonly<Record<string, unknown>>): GroundingArchitecture {
  const options = readOptions(file, 'model', model, nativeSchema);
  return {
    width: options.patch_embed_dim,
    theta: options.token_prediction_rotary_theta,
    sharedLowEmbedding: options.shared_low_high_embedding,
    addsSubpatch: true,
    ordersBeforeChoice: true,
    firstIsPoint: true,
  };
}

/** The Hugging Face port: it differs from the native code in all four places. @throws InputError `checkpoint.option`. */
export function readPortGrounding(file: string, config: unknown): GroundingArchitecture {
  const options = readOptions(file, 'config', config, portSchema);
  return {
    width: options.patch_embed_dim,
    theta: options.token_prediction_rotary_theta,
    sharedLowEmbedding: false,
    addsSubpatch: false,
    ordersBeforeChoice: false,
    firstIsPoint: false,
  };
}
