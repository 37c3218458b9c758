import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expectedTensors } from '../../src/builder/inventory.js';
import type { Architecture } from '../../src/inference/architecture.js';
import type { ImageLayout, Layout, PolicyInput } from '../../src/inference/model-input.js';
import type { Normalization } from '../../src/planning/normalization.js';
import type { WeightTable } from './plain-model.js';
import { writeTorchFile, type MadeTensor, type StoredType } from './torch-writer.js';

/** Checkpoints in the native layout, made up from an architecture: the way back of what the builder reads. */

/** One resized crop for each of two pictures, as the published policies have it. */
export const TWO_PICTURES: ImageLayout = {
  kind: 'images',
  maxImages: 2,
  crops: 'resize',
  pooling: [2, 2],
  multiImagePooling: [2, 2],
  columnTokens: false,
  tileColumnTokens: true,
  lowResolutionStart: false,
  maxTiles: 8,
  multiImageMaxTiles: 8,
  overlapMargins: [4, 4],
  clampTilingSize: true,
  labels: 'sequence',
};

export interface MadeModel {
  readonly architecture: Architecture;
  readonly input: Layout;
  readonly resizeBottleneck?: boolean;
  readonly policy?: Pick<PolicyInput, 'observationSteps' | 'observationStepDelta' | 'state' | 'action'>;
}

/** Content of config.yaml (JSON is YAML). */
export function nativeConfig({ architecture, input, resizeBottleneck, policy }: MadeModel): Record<string, unknown> {
  const { vision, connector, language: llm, actionExpert, trajectoryExpert } = architecture;
  const modelName = actionExpert
    ? 'molmobot'
    : trajectoryExpert
      ? 'molmo_motion_flow'
      : input.kind === 'frames'
        ? 'video_olmo_trajectory'
        : 'video_olmo';
  return {
    model: {
      model_name: modelName,
      data_formatter: {
        message_format: 'qwen3',
        system_prompt: 'demo_or_style_v2',
        always_start_with_space: false,
      },
      llm: {
        d_model: llm.width,
        n_heads: llm.heads,
        n_kv_heads: llm.kvHeads,
        head_dim: llm.headSize,
        qkv_bias: llm.qkvBias,
        n_layers: llm.layers,
        mlp_hidden_size: 2 * llm.mlpWidth,
        rope: true,
        rope_theta: llm.ropeTheta,
        attention_layer_norm: llm.qkNorm !== 'none',
        attention_layer_norm_type: llm.qkNorm === 'width' ? 'olmo' : 'qwen3',
        layer_norm_type: 'rms',
        layer_norm_eps: llm.epsilon,
        max_sequence_length: llm.maxLength,
        include_bias: false,
        norm_after: llm.normAfter,
        vocab_size: llm.vocabulary,
        additional_vocab_size: llm.additionalVocabulary,
        weight_tying: llm.tiedEmbedding,
        embedding_size: llm.vocabulary,
        tokenizer: { identifier: 'made-up' },
      },
      vision_backbone: {
        vit: {
          image_model_type: 'siglip',
          image_default_input_size: vision.cropSize,
          image_patch_size: vision.patchSize,
          image_emb_dim: vision.width,
          image_num_heads: vision.heads,
          image_num_key_value_heads: vision.kvHeads,
          image_num_layers: vision.storedBlocks,
          image_head_dim: vision.headSize,
          image_mlp_dim: vision.mlpWidth,
          image_mlp_activations: vision.activation === 'gelu' ? 'gelu' : 'gelu_pytorch_tanh',
          image_num_pos: (vision.cropSize[0] / vision.patchSize) * (vision.cropSize[1] / vision.patchSize),
          image_norm_eps: vision.epsilon,
          resize_mode: 'siglip',
          normalize: 'siglip',
        },
        image_pooling_2d: connector.pooling,
        pooling_attention_mask: connector.maskEmpty,
        image_projector: connector.projector,
        vit_layers: vision.taps,
        skip_unused_layers: vision.storedBlocks === vision.blocks,
        use_resize_bottleneck: resizeBottleneck ?? false,
      },
      mm_preprocessor: preprocessor(input),
      bi_directional_attn: llm.imageAttention === 'causal' ? null : llm.imageAttention,
      ...(actionExpert && {
        action_dim: actionExpert.actionSize,
        action_horizon: actionExpert.horizon,
        n_action_steps: Math.ceil(actionExpert.horizon / 2),
        n_obs_steps: policy?.observationSteps ?? 1,
        obs_step_delta: policy?.observationStepDelta ?? 1,
        action_expert_layer_mode: actionExpert.layerMode,
        flow_matching_num_steps: actionExpert.flowSteps,
        states_mode: actionExpert.stateMode,
        action_expert: {
          max_horizon: actionExpert.maxHorizon,
          hidden_size: actionExpert.width,
          num_layers: actionExpert.blocks,
          num_heads: actionExpert.heads,
          mlp_ratio: actionExpert.mlpWidth / actionExpert.width,
          timestep_embed_dim: actionExpert.timeWidth,
          context_layer_norm: actionExpert.contextNorm,
        },
        robot_preprocessor: processor('state', policy?.state),
        robot_postprocessor: processor('action', policy?.action),
      }),
      ...(trajectoryExpert && {
        flow_matching_num_steps: trajectoryExpert.flowSteps,
        trajectory_expert: {
          hidden_size: trajectoryExpert.width,
          num_layers: trajectoryExpert.blocks,
          num_heads: trajectoryExpert.heads,
          mlp_ratio: trajectoryExpert.mlpWidth / trajectoryExpert.width,
          timestep_embed_dim: trajectoryExpert.timeWidth,
          context_layer_norm: trajectoryExpert.contextNorm,
          layer_mode: trajectoryExpert.layerMode,
          num_points: trajectoryExpert.points,
          history_size: trajectoryExpert.history,
          horizon: trajectoryExpert.horizon,
          point_rope_theta: trajectoryExpert.pointTheta,
          frame_rope_theta: trajectoryExpert.frameTheta,
          units_per_metre: trajectoryExpert.unitsPerMetre,
        },
      }),
    },
  };
}

function preprocessor(input: Layout): unknown {
  if (input.kind === 'frames') {
    return {
      video: {
        max_frames: input.maxFrames,
        pooling_h: input.pooling[0],
        pooling_w: input.pooling[1],
        time_mode: 'per-frame-compact',
        per_frame_special_token: input.frameTokens === 'each',
      },
    };
  }
  return {
    image: {
      crop_mode: input.crops,
      use_col_tokens: input.tileColumnTokens,
      use_single_crop_col_tokens: input.columnTokens,
      use_single_crop_start_token: input.lowResolutionStart,
      max_crops: input.maxTiles,
      max_multi_image_crops: input.multiImageMaxTiles,
      pooling_h: input.pooling[0],
      pooling_w: input.pooling[1],
      multi_image_pooling_h: input.multiImagePooling[0],
      multi_image_pooling_w: input.multiImagePooling[1],
      overlap_margins: input.overlapMargins,
      max_images: input.maxImages,
      single_frame: input.labels === 'sequence',
    },
  };
}

function processor(what: 'state' | 'action', normalization: Normalization | undefined): unknown {
  if (!normalization || normalization.mode === 'identity') return null;
  const { mode } = normalization;
  const names = {
    mean_std: ['mean', 'std'],
    min_max: ['min', 'max'],
    quantiles: ['q01', 'q99'],
    quantile10: ['q10', 'q90'],
  };
  const values =
    mode === 'mean_std' ? [normalization.mean, normalization.std] : [normalization.low, normalization.high];
  const key = what === 'state' ? 'observation.state' : 'action';
  return {
    stats_by_repo: { synthmanip: { [key]: Object.fromEntries(names[mode].map((name, i) => [name, values[i]])) } },
    [`${what}_norm_mode`]: mode,
  };
}

/** Random weights of a size that keeps signals alive, rounded to what the type can hold. */
export function randomWeights(architecture: Architecture, random: () => number, type: StoredType): WeightTable {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return new Map(
    [...expectedTensors(architecture)].map(([name, shape]) => {
      const isNorm = /(norm|ln_f)\.weight$/.test(name);
      const scale = /embed|bias|norm|ln_f/.test(name) ? 0.3 : 1.2 / Math.sqrt(shape.at(-1)!);
      const count = shape.reduce((product, n) => product * n, 1);
      const data = Float32Array.from({ length: count }, () => rounded((isNorm ? 1 : 0) + scale * normal(), type));
      return [name, { shape, data }];
    }),
  );
}

/** To 10 bits behind the leading one (7 for bfloat16), which both half types hold without loss. */
function rounded(value: number, type: StoredType): number {
  if (type === 'f4' || value === 0) return Math.fround(value);
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - (type === 'f2' ? 10 : 7));
  const nearest = Math.round(value / unit) * unit;
  // Below this, float16 has fewer bits.
  return type === 'f2' && Math.abs(nearest) < 2 ** -14 ? 0 : nearest;
}

/** Bytes of numbers that the type holds without loss. */
export function encode(data: ArrayLike<number>, type: StoredType): Uint8Array {
  const floats = Float32Array.from(data);
  if (type === 'f4') return new Uint8Array(floats.buffer);
  const bits = new Uint32Array(floats.buffer);
  const half = (word: number): number => {
    const sign = (word >>> 16) & 0x8000;
    const exponent = ((word >>> 23) & 0xff) - 127 + 15;
    return (word & 0x7fffffff) === 0 ? sign : sign | (exponent << 10) | ((word >>> 13) & 0x3ff);
  };
  return new Uint8Array(Uint16Array.from(bits, (word) => (type === 'bf16' ? word >>> 16 : half(word))).buffer);
}

/** config.yaml, model.pt, and a tokenizer beside them. */
export async function writeCheckpoint(
  folder: string,
  model: MadeModel,
  weights: WeightTable,
  type: StoredType = 'f4',
): Promise<void> {
  await writeParts(
    folder,
    model,
    new Map([...weights].map(([name, { shape, data }]) => [name, { shape, type, bytes: encode(data, type) }])),
  );
}

/** The same with tensors as they are given. */
export async function writeParts(
  folder: string,
  model: MadeModel,
  tensors: ReadonlyMap<string, MadeTensor>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'config.yaml'), JSON.stringify(nativeConfig(model)));
  await writeTorchFile(path.join(folder, 'model.pt'), tensors);
  await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify(byteTokenizer()));
  await writeFile(path.join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>' }));
}

const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
/** Tokens of `byteTokenizer`; a vocabulary must be at least as large. */
export const BYTE_TOKENS = 256 + SPECIAL.length;

/** Every byte is a token: byte-level BPE without merges. */
export function byteTokenizer(): unknown {
  const isPrintable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let moved = 0;
  const vocab = Object.fromEntries(
    Array.from({ length: 256 }, (_, byte) => [String.fromCodePoint(isPrintable(byte) ? byte : 256 + moved++), byte]),
  );
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, i) => ({
      id: 256 + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: 'BPE', dropout: null, unk_token: null, vocab, merges: [] },
  };
}
