import { z } from 'zod';
import { roundHalfEven } from '../core/rounding.js';

/** Sizes and options of the networks, in the terms of the papers. A bundle states them, and a graph is built from nothing else. */

const count = z.number().int().positive();
const index = z.number().int().nonnegative();
const positive = z.number().positive();

/** SigLIP2 vision transformer: patches in, block outputs (`taps`) side by side out. */
export const visionSchema = z.strictObject({
  /** Height and width of a crop, pixels. */
  cropSize: z.tuple([count, count]),
  patchSize: count,
  width: count,
  heads: count,
  kvHeads: count,
  headSize: count,
  mlpWidth: count,
  /** Blocks that run: those above the highest tap are not needed. */
  blocks: count,
  /** Blocks in the checkpoint's files. */
  storedBlocks: count,
  /** Block whose outputs are used, in the order in which they are put side by side. */
  taps: z.array(index).min(1),
  activation: z.enum(['gelu_tanh', 'gelu']),
  epsilon: positive,
});

/** From patch features to one feature for each image token. */
export const connectorSchema = z.strictObject({
  /** Query of the attention: the mean of the window's patches or its first one; `mean` has no attention. */
  pooling: z.enum(['attention_meanq', 'attention', 'mean']),
  /** Whether empty slots of a window are left out; otherwise they take part as zeros. */
  maskEmpty: z.boolean(),
  /** Whether the attention's heads are mixed by a matrix of their own before the projector; they are, where this is left out. */
  outputProjection: z.boolean().optional(),
  projector: z.enum(['mlp', 'linear']),
  /** Inner width of the `mlp` projector. */
  projectorWidth: count,
});

/** Qwen3 decoder. */
export const languageSchema = z.strictObject({
  width: count,
  heads: count,
  kvHeads: count,
  headSize: count,
  /** Inner width of the gated MLP: half of the fused projection. */
  mlpWidth: count,
  layers: count,
  ropeTheta: positive,
  epsilon: positive,
  qkvBias: z.boolean(),
  /** RMSNorm of queries and keys: of every head, of the whole width, or none. */
  qkNorm: z.enum(['head', 'width', 'none']),
  /** Norms behind attention and MLP instead of before them. */
  normAfter: z.boolean(),
  /** Rows of the base embedding. */
  vocabulary: count,
  /** Rows behind the base embedding, for image tokens and their like. */
  additionalVocabulary: z.number().int().nonnegative(),
  /** Whether the additional tokens have logits too (MolmoPoint's grounding tokens are among them); they have none where this is left out. */
  predictsAdditional: z.boolean().optional(),
  tiedEmbedding: z.boolean(),
  /** Longest sequence, prompt and answer together. */
  maxLength: count,
  /**
   * Which image tokens see later ones: all of each other (`image_tokens`), those up to the same frame (`within_image`), or none (`causal`).
   */
  imageAttention: z.enum(['image_tokens', 'within_image', 'causal']),
});

/** MolmoBot's ActionExpert: a diffusion transformer over an action chunk, conditioned on the decoder's layers. */
export const actionExpertSchema = z.strictObject({
  width: count,
  heads: count,
  blocks: count,
  mlpWidth: count,
  timeWidth: count,
  /** Rows of the position table. */
  maxHorizon: count,
  contextNorm: z.boolean(),
  /** Decoder layer that each block looks at; `mean` averages all. */
  layerMode: z.enum(['per_layer', 'even', 'last', 'mean']),
  stateMode: z.enum(['cross_attn', 'self_attn', 'skip', 'zero']),
  actionSize: count,
  stateSize: count,
  horizon: count,
  flowSteps: count,
});

/**
 * Flow-matching forecaster after the MolmoMotion paper (2.2, D.1, D.4). What the paper does not state is a setting here; no weights were ever
 * released, so a checkpoint of it is always one's own.
 */
export const trajectoryExpertSchema = z.strictObject({
  width: count,
  heads: count,
  blocks: count,
  mlpWidth: count,
  timeWidth: count,
  contextNorm: z.boolean(),
  layerMode: z.enum(['per_layer', 'even', 'last', 'mean']),
  points: count,
  history: count,
  horizon: count,
  flowSteps: count,
  /** Of the rotary angles along the point and the frame axis. */
  pointTheta: positive,
  frameTheta: positive,
  /** Units of the network in a metre. */
  unitsPerMetre: positive,
});

/**
 * MolmoPoint's grounding tokens: a point is an image token (PATCH), one of the patches pooled in it (SUBPATCH), and a cell of nine in that patch
 * (LOCATION). The two published implementations differ in four places; each is a setting.
 */
export const groundingSchema = z.strictObject({
  /** Of the queries and keys that select image tokens and patches. */
  width: count,
  /** Of the rotary angles along the image tokens. */
  theta: positive,
  /** `<im_low>` is embedded as `<im_patch>` is (native), instead of by a row of its own. */
  sharedLowEmbedding: z.boolean(),
  /** The selected patch is added to the embedding of SUBPATCH (native), instead of taking its place. */
  addsSubpatch: z.boolean(),
  /** Image tokens before the last selected one are left out before the best is taken (native); otherwise the best is taken, and then refused. */
  ordersBeforeChoice: z.boolean(),
  /** A list of points may not be empty (native). */
  firstIsPoint: z.boolean(),
});

/** Cells of a patch, three by three. */
export const LOCATION_CELLS = 9;

export const architectureSchema = z.strictObject({
  vision: visionSchema,
  connector: connectorSchema,
  language: languageSchema,
  actionExpert: actionExpertSchema.optional(),
  trajectoryExpert: trajectoryExpertSchema.optional(),
  grounding: groundingSchema.optional(),
});

export type VisionArchitecture = z.infer<typeof visionSchema>;
export type ConnectorArchitecture = z.infer<typeof connectorSchema>;
export type LanguageArchitecture = z.infer<typeof languageSchema>;
export type ActionExpertArchitecture = z.infer<typeof actionExpertSchema>;
export type TrajectoryExpertArchitecture = z.infer<typeof trajectoryExpertSchema>;
export type GroundingArchitecture = z.infer<typeof groundingSchema>;
export type Architecture = z.infer<typeof architectureSchema>;

/** Scores that the language model gives: one for each token that it can say. */
export function logitCount({ vocabulary, additionalVocabulary, predictsAdditional }: LanguageArchitecture): number {
  return vocabulary + (predictsAdditional ? additionalVocabulary : 0);
}

/** Rows and columns of patches in a crop. */
export function patchGrid({ cropSize: [height, width], patchSize }: VisionArchitecture): readonly [number, number] {
  return [height / patchSize, width / patchSize];
}

/**
 * Decoder layer for each block of an expert; null stands for the mean over all.
 * `even` spreads the blocks over the layers, first and last included; halves round to even, as Python's `round`.
 */
export function layersOfBlocks(
  mode: ActionExpertArchitecture['layerMode'],
  blocks: number,
  layers: number,
): (number | null)[] {
  return Array.from({ length: blocks }, (_, block) => {
    switch (mode) {
      case 'per_layer':
        return block;
      case 'last':
        return layers - 1;
      case 'mean':
        return null;
      case 'even':
        return blocks === 1 ? layers - 1 : roundHalfEven((block * (layers - 1)) / (blocks - 1));
    }
  });
}
