import fc from 'fast-check';
import { layersOfBlocks, type Architecture } from '../../src/inference/architecture.js';
import type { FrameLayout, ImageLayout } from '../../src/inference/model-input.js';
import { seededRandom } from '../../src/core/random.js';
import type { RgbImage } from '../../src/core/images.js';
import { BYTE_TOKENS, type MadeModel } from './made-checkpoint.js';
import type { StoredType } from './torch-writer.js';

/** A small model of any shape, and something to ask it. */
export interface RandomCase {
  readonly model: MadeModel;
  readonly stored: StoredType;
  readonly images: readonly RgbImage[];
  readonly question: string;
  readonly seed: number;
}

export type Head = 'policy' | 'answer' | 'flow';

const size = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

const vision = fc
  .record({
    rows: size(2, 5),
    columns: size(2, 5),
    patchSize: size(2, 4),
    kvHeads: size(1, 2),
    group: size(1, 2),
    headSize: size(2, 6),
    mlpWidth: size(3, 12),
    blocks: size(1, 3),
    spare: size(0, 2),
    widthStep: size(3, 9),
    extraTap: fc.boolean(),
    activation: fc.constantFrom('gelu_tanh' as const, 'gelu' as const),
  })
  .map(({ rows, columns, patchSize, kvHeads, group, blocks, spare, widthStep, extraTap, ...rest }) => ({
    ...rest,
    cropSize: [rows * patchSize, columns * patchSize] as [number, number],
    patchSize,
    width: widthStep * 2,
    heads: kvHeads * group,
    kvHeads,
    blocks,
    storedBlocks: blocks + spare,
    // The highest tap first, as published.
    taps: extraTap && blocks > 1 ? [blocks - 1, 0] : [blocks - 1],
    epsilon: 1e-6,
  }));

const language = fc
  .record({
    width: size(4, 20),
    kvHeads: size(1, 3),
    group: size(1, 3),
    halfHead: size(1, 5),
    mlpWidth: size(3, 16),
    layers: size(1, 4),
    ropeTheta: fc.constantFrom(100, 10_000, 5_000_000),
    epsilon: fc.constantFrom(1e-6, 1e-5),
    qkvBias: fc.boolean(),
    qkNorm: fc.constantFrom('head' as const, 'width' as const, 'none' as const),
    normAfter: fc.boolean(),
    extraWords: size(0, 9),
    tiedEmbedding: fc.boolean(),
    imageAttention: fc.constantFrom('image_tokens' as const, 'within_image' as const, 'causal' as const),
  })
  .map(({ group, halfHead, extraWords, kvHeads, ...rest }) => ({
    ...rest,
    kvHeads,
    heads: kvHeads * group,
    headSize: 2 * halfHead,
    vocabulary: BYTE_TOKENS + extraWords,
    additionalVocabulary: 24,
    maxLength: 4096,
  }));

const connector = fc.record({
  pooling: fc.constantFrom('attention_meanq' as const, 'attention' as const, 'mean' as const),
  maskEmpty: fc.boolean(),
  projector: fc.constantFrom('mlp' as const, 'linear' as const),
});

const layerMode = fc.constantFrom('per_layer' as const, 'even' as const, 'last' as const, 'mean' as const);
const expertBlocks = fc.record({
  heads: size(1, 3),
  blocks: size(1, 3),
  mlpWidth: size(3, 20),
  timeWidth: size(2, 9),
  contextNorm: fc.boolean(),
  layerMode,
  flowSteps: size(1, 4),
});

const window = fc.tuple(size(1, 3), size(1, 3));

const imageLayout: fc.Arbitrary<ImageLayout> = fc
  .record({
    kind: fc.constant('images' as const),
    maxImages: size(1, 4),
    crops: fc.constantFrom('resize' as const, 'overlap-and-resize-c2' as const),
    pooling: window,
    multiImagePooling: window,
    columnTokens: fc.boolean(),
    tileColumnTokens: fc.boolean(),
    lowResolutionStart: fc.boolean(),
    maxTiles: size(1, 4),
    multiImageMaxTiles: size(1, 3),
    overlapMargins: fc.constantFrom([0, 0] as [number, number], [1, 0] as [number, number]),
    clampTilingSize: fc.constant(true),
    labels: fc.constantFrom('sequence' as const, 'views' as const),
  })
  // Pairs of views take an even number of pictures.
  .map((layout) => (layout.labels === 'views' ? { ...layout, maxImages: 2 * layout.maxImages } : layout));

const frameLayout: fc.Arbitrary<FrameLayout> = fc.record({
  kind: fc.constant('frames' as const),
  maxFrames: size(1, 4),
  pooling: window,
  frameTokens: fc.constantFrom('each' as const, 'all' as const),
});

export function randomCase(head: Head): fc.Arbitrary<RandomCase> {
  return fc
    .record({
      vision,
      language,
      connector,
      expert: expertBlocks,
      action: fc.record({
        stateMode: fc.constantFrom('cross_attn' as const, 'self_attn' as const, 'skip' as const, 'zero' as const),
        horizon: size(1, 6),
        spareRows: size(1, 3),
        headSize: size(4, 8),
        actionSize: size(1, 5),
        stateSize: size(1, 4),
      }),
      trajectory: fc.record({
        points: size(1, 4),
        history: size(1, 3),
        horizon: size(1, 4),
        quarterHead: size(1, 2),
        pointTheta: fc.constantFrom(100, 10_000),
        frameTheta: fc.constantFrom(100, 10_000),
        unitsPerMetre: fc.constantFrom(1, 100),
      }),
      layout: head === 'policy' ? imageLayout : fc.oneof(imageLayout, frameLayout),
      sizes: fc.array(fc.tuple(size(1, 40), size(1, 30)), { minLength: 1, maxLength: 4 }),
      question: fc.string({ maxLength: 12 }),
      stored: fc.constantFrom('f4' as const, 'f2' as const, 'bf16' as const),
      bottleneck: fc.boolean(),
      seed: size(1, 1_000_000),
    })
    .map((drawn): RandomCase => {
      const { expert, action, trajectory } = drawn;
      const blocks = expert.layerMode === 'per_layer' ? drawn.language.layers : expert.blocks;
      const layout: ImageLayout | FrameLayout =
        head === 'flow' ? { kind: 'frames', maxFrames: 3, pooling: [2, 2], frameTokens: 'each' } : drawn.layout;
      const architecture: Architecture = {
        vision: drawn.vision,
        language: drawn.language,
        connector: { ...drawn.connector, projectorWidth: drawn.language.mlpWidth },
        ...(head === 'policy' && {
          actionExpert: {
            ...expert,
            blocks,
            width: expert.heads * action.headSize,
            maxHorizon: action.horizon + action.spareRows,
            stateMode: action.stateMode,
            actionSize: action.actionSize,
            stateSize: action.stateSize,
            horizon: action.horizon,
          },
        }),
        ...(head === 'flow' && {
          trajectoryExpert: {
            ...expert,
            blocks,
            width: expert.heads * 4 * trajectory.quarterHead,
            points: trajectory.points,
            history: trajectory.history,
            horizon: trajectory.horizon,
            pointTheta: trajectory.pointTheta,
            frameTheta: trajectory.frameTheta,
            unitsPerMetre: trajectory.unitsPerMetre,
          },
        }),
      };
      const ramp = Array.from({ length: action.stateSize }, (_, i) => i + 1);
      const most = layout.kind === 'images' ? layout.maxImages : layout.maxFrames;
      const isPaired = layout.kind === 'images' && layout.labels === 'views';
      const given = Math.min(most, drawn.sizes.length);
      const count = isPaired && given > 1 ? given - (given % 2) : given;
      const random = seededRandom(drawn.seed);
      return {
        model: {
          architecture,
          input: layout,
          resizeBottleneck: layout.kind === 'images' && drawn.bottleneck,
          ...(head === 'policy' && {
            policy: {
              observationSteps: 1,
              observationStepDelta: 1,
              state: { mode: 'mean_std', mean: ramp, std: ramp },
              action: { mode: 'identity' },
            },
          }),
        },
        stored: drawn.stored,
        images: drawn.sizes.slice(0, count).map(([width, height]) => ({
          width,
          height,
          data: Uint8Array.from({ length: width * height * 3 }, () => random() * 256),
        })),
        question: drawn.question.replaceAll(/[<|>]/g, ''),
        seed: drawn.seed,
      };
    })
    .filter(({ model: { architecture } }) => isPossible(architecture));
}

/** Modes of few layers may ask for more blocks than there is; a rotation of single numbers needs an even head. */
function isPossible({ actionExpert, trajectoryExpert, language: llm }: Architecture): boolean {
  const expert = actionExpert ?? trajectoryExpert;
  if (!expert) return true;
  return layersOfBlocks(expert.layerMode, expert.blocks, llm.layers).every(
    (layer) => layer === null || layer < llm.layers,
  );
}
