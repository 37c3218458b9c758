import type { Architecture } from '../inference/architecture.js';
import type { FrameLayout, GroundingTokens, ImageLayout, Layout, TokenIds } from '../inference/model-input.js';
import type { TrackTokens } from '../inference/track-tokens.js';
import type { StoredTensor } from '../tensors/stored-tensor.js';
import { Algebra } from '../onnx/algebra.js';
import type { Tensor } from '../onnx/graph.js';
import { actionExpert } from './parts/action-expert.js';
import { connectImages } from './parts/connector.js';
import { greedyAnswer, type Draft } from './parts/decoding-loop.js';
import { groundedAnswer } from './parts/grounded-answer.js';
import { GroundingHead, type GroundingMemory } from './parts/grounding.js';
import { LanguageDecoder } from './parts/language-decoder.js';
import { LanguageModel, type LayerCache } from './parts/language.js';
import { patchesOfImages, type PixelOptions } from './parts/pixels.js';
import { TrackGuess } from './parts/track-guess.js';
import { trajectoryExpert } from './parts/trajectory-expert.js';
import { visionTransformer } from './parts/vision.js';
import { Weights, type BuildType, type WeightFiles } from './weights/weights.js';

export interface GraphPlan {
  readonly architecture: Architecture;
  readonly resizeBottleneck: boolean;
  readonly layout: Layout;
  /** Of a model of still images that takes the frames of a video too. */
  readonly video?: FrameLayout | undefined;
  readonly tokens: TokenIds;
  /** Of a model that points with grounding tokens. */
  readonly groundingTokens?: GroundingTokens | undefined;
  /** Of a model whose answers are tracks, and are drafted. */
  readonly trackTokens?: TrackTokens | undefined;
  readonly type: BuildType;
}

/** What the prompt leaves behind. */
interface Prompt {
  /** int64 [tokens]. */
  readonly ids: Tensor;
  readonly hidden: readonly Tensor[];
  readonly caches: readonly LayerCache[];
  /** Tokens, int64 scalar. */
  readonly length: Tensor;
  readonly grounding: GroundingMemory | null;
}

/**
 * The model of a bundle, from uint8 pixels and token ids to the decision, as the bytes of a .onnx file. An action expert makes it a policy, a
 * trajectory expert a flow-matching forecaster; otherwise it answers in tokens.
 * @param tracing also returns named intermediate values.
 */
export function buildGraph(
  plan: GraphPlan,
  stored: ReadonlyMap<string, StoredTensor>,
  files: WeightFiles,
  tracing: boolean,
): Uint8Array {
  const g = new Algebra({ tracing });
  const weights = new Weights(g, stored, files, plan.type);
  const language = new LanguageModel(weights, plan.architecture.language);
  const prompt = readPrompt(g, weights, language, plan);
  const { actionExpert: expert, trajectoryExpert: trajectory } = plan.architecture;
  if (expert) {
    const state = g.input('state', 'float32', [1, expert.stateSize]);
    const noise = g.input('noise', 'float32', [1, expert.horizon, expert.actionSize]);
    const actions = g.within('action_expert', () =>
      actionExpert(g, weights, expert, plan.architecture.language, prompt.hidden, state, noise),
    );
    g.output('actions', actions, [1, expert.horizon, expert.actionSize]);
  } else if (trajectory) {
    const { points, history, horizon } = trajectory;
    const past = g.input('history', 'float32', [points, history, 3]);
    const noise = g.input('noise', 'float32', [points, horizon, 3]);
    const path = g.within('trajectory_expert', () =>
      trajectoryExpert(g, weights, trajectory, plan.architecture.language, prompt.hidden, past, noise),
    );
    g.output('trajectory', path, [points, horizon, 3]);
  } else {
    g.within('answer', () => {
      answer(g, weights, language, prompt, plan);
    });
  }
  return g.toModel();
}

/** The way of the pixels alone: images and tilings in; `pixels` (uint8) and `patches` (float32) of all crops out. */
export function buildPixelGraph(images: number, options: PixelOptions): Uint8Array {
  const g = new Algebra({ tracing: true });
  patchesOfImages(g, ...imagePorts(g, images, options.layout), options);
  return g.toModel();
}

/** A place for each image, and for its tiling where the layout tiles. */
function imagePorts(g: Algebra, count: number, layout: ImageLayout | null): [images: Tensor[], tilings: Tensor[]] {
  const numbered = Array.from({ length: count }, (_, k) => k);
  return [
    numbered.map((k) => g.input(`image_${k}`, 'uint8', [`height_${k}`, `width_${k}`, 3])),
    layout?.crops === 'overlap-and-resize-c2' ? numbered.map((k) => g.input(`tiling_${k}`, 'int64', [2])) : [],
  ];
}

/** Pictures and token ids through vision tower, connector and decoder. */
function readPrompt(g: Algebra, weights: Weights, language: LanguageModel, plan: GraphPlan): Prompt {
  const { architecture, layout, tokens } = plan;
  const count = layout.kind === 'images' ? layout.maxImages : layout.maxFrames;
  const imageLayout = layout.kind === 'images' ? layout : null;
  const [images, tilings] = imagePorts(g, count, imageLayout);
  const inputIds = g.input('input_ids', 'int64', [1, 'tokens']);
  const tokenPooling = g.input('token_pooling', 'int64', ['image_tokens', 'window']);
  const patches = patchesOfImages(
    g,
    images,
    tilings,
    {
      vision: architecture.vision,
      resizeBottleneck: plan.resizeBottleneck,
      layout: imageLayout,
    },
    plan.video ? g.input('frames', 'uint8', ['frames', 'frame_height', 'frame_width', 3]) : null,
  );
  const features = g.within('vision', () => visionTransformer(g, weights, architecture.vision, patches));
  const imageFeatures = g.within('connector', () =>
    connectImages(g, weights, architecture.vision, architecture.connector, features, tokenPooling),
  );
  return g.within('language', () => {
    const ids = g.squeeze(inputIds, [0]);
    const { grounding } = architecture;
    const looked = grounding?.sharedLowEmbedding
      ? g.where(g.equal(ids, g.int(tokens.imageLow)), g.int(tokens.imagePatch), ids)
      : ids;
    const embeddings = language.addImageFeatures(g, language.embed(g, looked), ids, imageFeatures, tokens);
    g.trace('embeddings', embeddings, ['tokens', architecture.language.width]);
    const { hidden, caches } = language.prompt(g, embeddings, language.promptMask(g, ids, tokens));
    if (g.tracing) g.trace('ln_f', language.finalNorm(g, hidden.at(-1)!), ['tokens', architecture.language.width]);
    const seen = { imageFeatures, patchFeatures: features, tokenPooling };
    const memory = grounding
      ? new GroundingHead(weights, grounding, architecture).remember(g, hidden.at(-1)!, ids, tokens, seen)
      : null;
    return { ids, hidden, caches, length: g.size(ids, 0), grounding: memory };
  });
}

/** The answer in tokens, and what grounding tokens among them chose. */
function answer(g: Algebra, weights: Weights, language: LanguageModel, prompt: Prompt, plan: GraphPlan): void {
  const { ids, hidden, caches, length, grounding: memory } = prompt;
  const { tokens, groundingTokens, trackTokens, architecture } = plan;
  const maxNewTokens = g.input('max_new_tokens', 'int64', []);
  const last = g.slice(hidden.at(-1)!, 0, -1, Number.MAX_SAFE_INTEGER);
  const { grounding: rules } = architecture;
  if (!memory || !rules || !groundingTokens) {
    let draft: Draft | null = null;
    if (trackTokens) {
      const guess = new TrackGuess(g, trackTokens, ids);
      draft = { most: g.input('draft', 'int64', []), guess: (inner, said, count) => guess.after(inner, said, count) };
    }
    const answer = greedyAnswer(g, new LanguageDecoder(language, caches, length), last, {
      maxNewTokens,
      eos: tokens.eos,
      draft,
    });
    g.output('tokens', answer.tokens, ['steps']);
    if (draft) g.output('passes', answer.passes, []);
    return;
  }
  const head = new GroundingHead(weights, rules, architecture);
  const decoding = { language, head, rules, memory, grounding: groundingTokens, eos: tokens.eos };
  const answer = groundedAnswer(g, decoding, last, caches, length, maxNewTokens);
  g.output('tokens', answer.tokens, ['steps']);
  g.output('choices', answer.choices, ['steps']);
}
