import { z } from 'zod';
import type { Normalization } from '../planning/normalization.js';

/** How pictures and text become a model's input. A bundle states it; every setting that published code and papers leave open is here. */

const count = z.number().int().positive();
const window = z.tuple([count, count]);

/** Still images (MolmoBot, Molmo2). */
export const imageLayoutSchema = z.strictObject({
  kind: z.literal('images'),
  maxImages: count,
  /** One resized crop an image, or overlapping tiles behind a crop of the whole image. */
  crops: z.enum(['resize', 'overlap-and-resize-c2']),
  /** Rows and columns of patches in a pooling window, for one image and for a list of them. */
  pooling: window,
  multiImagePooling: window,
  /** Column tokens behind each row of the crop of the whole image. */
  columnTokens: z.boolean(),
  /** Column tokens behind each row of the tiled image. */
  tileColumnTokens: z.boolean(),
  /** Start token of the crop of the whole image where tiles follow: `<low_res_im_start>` instead of `<im_start>`. */
  lowResolutionStart: z.boolean(),
  maxTiles: count,
  multiImageMaxTiles: count,
  /** Patches by which tiles overlap on the left and top, and on the right and bottom. */
  overlapMargins: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
  /** The native code takes a side shorter than the margins as one pixel when it chooses the tiling; the Hugging Face port does not. */
  clampTilingSize: z.boolean(),
  /** The crop of the whole image is written in `<im_low>` tokens, which cannot be pointed at (MolmoPoint), where tiles follow it. */
  lowResolutionPatches: z.boolean().optional(),
  /** `sequence` says `Image N`; `views` pairs the two halves of the list as `Image N View 1|2`. */
  labels: z.enum(['sequence', 'views']),
});

/** Frames of a video (MolmoMotion, and the videos of pointing models). */
export const frameLayoutSchema = z.strictObject({
  kind: z.literal('frames'),
  maxFrames: count,
  pooling: window,
  /** One pair of frame tokens around every frame, or one around all of them. */
  frameTokens: z.enum(['each', 'all']),
});

export const layoutSchema = z.discriminatedUnion('kind', [imageLayoutSchema, frameLayoutSchema]);

export const promptSchema = z.strictObject({
  /** Put before the question as `STYLE: `; null leaves the question as it is. */
  style: z.string().min(1).nullable(),
});

/** Ids of the tokens that the layouts put in. */
export const tokenIdsSchema = z.strictObject({
  bos: z.number().int().nonnegative(),
  eos: z.number().int().nonnegative(),
  imageStart: z.number().int().nonnegative(),
  imageEnd: z.number().int().nonnegative(),
  imagePatch: z.number().int().nonnegative(),
  imageColumn: z.number().int().nonnegative(),
  lowResolutionStart: z.number().int().nonnegative(),
  imageLow: z.number().int().nonnegative(),
  frameStart: z.number().int().nonnegative(),
  frameEnd: z.number().int().nonnegative(),
});

/** Ids of MolmoPoint's grounding tokens. */
export const groundingTokensSchema = z.strictObject({
  patch: z.number().int().nonnegative(),
  subpatch: z.number().int().nonnegative(),
  location: z.number().int().nonnegative(),
});

export type ImageLayout = z.infer<typeof imageLayoutSchema>;
export type FrameLayout = z.infer<typeof frameLayoutSchema>;
export type Layout = z.infer<typeof layoutSchema>;
export type Prompt = z.infer<typeof promptSchema>;
export type GroundingTokens = z.infer<typeof groundingTokensSchema>;
export type TokenIds = z.infer<typeof tokenIdsSchema>;

const numbers = z.array(z.number());

const normalizationSchema: z.ZodType<Normalization> = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('identity') }),
  z.strictObject({ mode: z.literal('mean_std'), mean: numbers, std: numbers }),
  z.strictObject({ mode: z.enum(['min_max', 'quantiles', 'quantile10']), low: numbers, high: numbers }),
]);

export const policyInputSchema = z.strictObject({
  /** In the order of the model's images. */
  cameras: z.array(z.string().min(1)).min(1),
  /** Observations in a window, and control steps between them. */
  observationSteps: count,
  observationStepDelta: count,
  state: normalizationSchema,
  action: normalizationSchema,
  /** Steps of a chunk that are executed before the next query. */
  executedSteps: count,
  /** What an action says of the arm: joint positions, or changes of the measured ones. */
  actions: z.enum(['joint_pos', 'joint_pos_rel']),
  /** Of the gripper that the policy was trained with. */
  gripper: z.strictObject({
    openWidthM: z.number().positive(),
    closedState: z.number().positive(),
    closedCommand: z.number().positive(),
  }),
});
export type PolicyInput = z.infer<typeof policyInputSchema>;
