import type { Architecture } from '../../src/inference/architecture.js';
import { BYTE_TOKENS, TWO_PICTURES, type MadeModel } from './made-checkpoint.js';

/** A policy of two cameras that is small, and plain in everything. */
export const SMALL_ARCHITECTURE: Architecture = {
  vision: {
    cropSize: [12, 12],
    patchSize: 3,
    width: 8,
    heads: 2,
    kvHeads: 2,
    headSize: 4,
    mlpWidth: 12,
    blocks: 2,
    storedBlocks: 2,
    taps: [1, 0],
    activation: 'gelu_tanh',
    epsilon: 1e-6,
  },
  connector: { pooling: 'attention_meanq', maskEmpty: true, projector: 'mlp', projectorWidth: 64 },
  language: {
    width: 64,
    heads: 4,
    kvHeads: 2,
    headSize: 8,
    mlpWidth: 64,
    layers: 2,
    ropeTheta: 10_000,
    epsilon: 1e-6,
    qkvBias: false,
    qkNorm: 'head',
    normAfter: false,
    vocabulary: BYTE_TOKENS + 5,
    additionalVocabulary: 24,
    tiedEmbedding: true,
    maxLength: 256,
    imageAttention: 'image_tokens',
  },
  actionExpert: {
    width: 16,
    heads: 2,
    blocks: 2,
    mlpWidth: 32,
    timeWidth: 8,
    maxHorizon: 32,
    contextNorm: true,
    layerMode: 'per_layer',
    stateMode: 'cross_attn',
    actionSize: 8,
    stateSize: 8,
    horizon: 16,
    flowSteps: 10,
  },
};

const RANGE = { low: Array<number>(8).fill(-2), high: Array<number>(8).fill(2) };

export const SMALL_POLICY: MadeModel = {
  architecture: SMALL_ARCHITECTURE,
  input: TWO_PICTURES,
  policy: {
    observationSteps: 1,
    observationStepDelta: 8,
    state: { mode: 'quantiles', ...RANGE },
    action: { mode: 'quantiles', ...RANGE },
  },
};
