import type { Architecture, GroundingArchitecture } from '../../inference/architecture.js';
import type { TokenIds } from '../../inference/model-input.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';
import { rotaryFrequencies } from './language.js';

/** Scores of what may never be chosen, as the published code has them: image tokens of the whole image, and empty slots. */
const NEVER_A_POINT = -1e8;
const EMPTY_SLOT = -1e5;

/** What pointing keeps of the prompt. */
export interface GroundingMemory {
  /** Image tokens N, int64 scalar; it is also the index of "no more points" among the candidates. */
  readonly count: Tensor;
  /** Rotated keys of all image tokens and, last, of "no more points": float32 [N + 1, width]. */
  readonly keys: Tensor;
  /** Which candidates may be chosen: bool [N + 1]. */
  readonly selectable: Tensor;
  /** Place of each image token among those that can be pointed at: int64 [N]. */
  readonly positions: Tensor;
  /** Connector output, float32 [N, language width]. */
  readonly imageFeatures: Tensor;
  /** Outputs of the vision tower, float32 [all patches, taps * width]. */
  readonly patchFeatures: Tensor;
  /** int64 [N, slots], -1 for an empty slot. */
  readonly tokenPooling: Tensor;
}

/** The head that selects image tokens, patches in them, and cells in these (MolmoPoint). Rows are one position: [1, width]. */
export class GroundingHead {
  readonly #weights: Weights;
  readonly #head: GroundingArchitecture;
  readonly #epsilon: number;

  constructor(weights: Weights, head: GroundingArchitecture, { language }: Architecture) {
    this.#weights = weights;
    this.#head = head;
    this.#epsilon = language.epsilon;
  }

  /**
   * Keys of the prompt's image tokens, from the decoder's last residual stream.
   * @param hidden float32 [tokens, language width], before the final norm. @param ids int64 [tokens].
   */
  remember(
    g: Algebra,
    hidden: Tensor,
    ids: Tensor,
    tokens: TokenIds,
    seen: Pick<GroundingMemory, 'imageFeatures' | 'patchFeatures' | 'tokenPooling'>,
  ): GroundingMemory {
    const isSelectable = g.equal(ids, g.int(tokens.imagePatch));
    const rows = g.positionsOf(g.or(isSelectable, g.equal(ids, g.int(tokens.imageLow))));
    const running = g.sub(g.cumulativeSum(g.cast(isSelectable, 'int64'), 0), g.int(1));
    const positions = g.gather(g.max(running, g.int(0)), rows);
    const keys = this.#rotate(g, this.#linear(g, this.#norm(g, g.gather(hidden, rows)), 'patch_k'), positions);
    const noMore = g.unsqueeze(this.#weights.exact('add_no_point_class_embed.vector'), [0]);
    const selectable = g.cast(g.gather(g.cast(isSelectable, 'int64'), rows), 'bool');
    g.trace('patch_keys', keys, ['image_tokens', this.#head.width]);
    if (g.tracing) this.#traceSlotKeys(g, seen);
    return {
      ...seen,
      count: g.size(rows, 0),
      positions,
      keys: g.concat([keys, noMore], 0),
      selectable: g.concat([selectable, g.unsqueeze(g.bool(true), [0])], 0),
    };
  }

  /** Scores of all candidates, float32 [1, N + 1]. @param last image token chosen before, int64 [1], -1 for none: the query is rotated to it. */
  tokenScores(g: Algebra, hidden: Tensor, last: Tensor, memory: GroundingMemory): Tensor {
    const position = g.gather(memory.positions, g.max(last, g.int(0)));
    const origin = g.where(g.less(last, g.int(0)), g.int(0), position);
    const query = this.#rotate(g, this.#linear(g, this.#norm(g, hidden), 'patch_q'), origin);
    const dots = g.matmul(query, g.transpose(memory.keys, [1, 0]));
    // The published code divides by the number of candidates, not by the width.
    const scale = g.sqrt(g.cast(g.add(memory.count, g.int(1)), 'float32'));
    return g.where(g.unsqueeze(memory.selectable, [0]), g.div(dots, scale), g.float(NEVER_A_POINT));
  }

  /** Scores of the slots of an image token, float32 [1, slots]. @param patch int64 [1]. */
  slotScores(g: Algebra, hidden: Tensor, patch: Tensor, memory: GroundingMemory): Tensor {
    const slots = g.squeeze(g.gather(memory.tokenPooling, patch), [0]);
    const isFilled = g.lessOrEqual(g.int(0), slots);
    const keys = this.#linear(g, slotFeatures(g, slots, memory.patchFeatures), 'subpatch_k');
    const query = this.#linear(g, this.#norm(g, hidden), 'subpatch_q');
    const scores = g.mul(g.matmul(query, g.transpose(keys, [1, 0])), g.float(this.#head.width ** -0.5));
    return g.where(g.unsqueeze(isFilled, [0]), scores, g.float(EMPTY_SLOT));
  }

  /** Scores of the nine cells, float32 [1, 9]; from the state as it is: training normalised it, both published decoders do not. */
  cellScores(g: Algebra, hidden: Tensor): Tensor {
    return this.#linear(g, hidden, 'subpatch_loc_k');
  }

  /** What a chosen slot adds to, or puts in the place of, the embedding of SUBPATCH: [1, language width]. */
  slotEmbedding(g: Algebra, patch: Tensor, slot: Tensor, memory: GroundingMemory): Tensor {
    const slots = g.squeeze(g.gather(memory.tokenPooling, patch), [0]);
    const chosen = slotFeatures(g, g.gather(slots, slot), memory.patchFeatures);
    return this.#linear(g, chosen, 'build_vit_embedding');
  }

  #norm(g: Algebra, hidden: Tensor): Tensor {
    return g.rmsNorm(hidden, this.#weights.exact('x_norm.weight'), this.#epsilon);
  }

  #linear(g: Algebra, x: Tensor, name: string): Tensor {
    return g.cast(this.#weights.linear(g, x, name), 'float32');
  }

  /** x [rows, width], positions int64 [rows]; halves are rotated against each other. */
  #rotate(g: Algebra, x: Tensor, positions: Tensor): Tensor {
    const { width, theta } = this.#head;
    const frequencies = g.floats(rotaryFrequencies(width, theta), [1, width / 2]);
    const angles = g.mul(g.unsqueeze(g.cast(positions, 'float32'), [1]), frequencies);
    const [first, second] = g.split(x, [width / 2, width / 2], 1) as [Tensor, Tensor];
    const [cos, sin] = [g.cos(angles), g.sin(angles)];
    return g.concat([g.sub(g.mul(first, cos), g.mul(second, sin)), g.add(g.mul(second, cos), g.mul(first, sin))], 1);
  }

  /** Keys of all slots of all image tokens; decoding computes those of the chosen token only. */
  #traceSlotKeys(
    g: Algebra,
    { patchFeatures, tokenPooling }: Pick<GroundingMemory, 'patchFeatures' | 'tokenPooling'>,
  ): void {
    const all = this.#linear(g, slotFeatures(g, g.reshape(tokenPooling, [-1]), patchFeatures), 'subpatch_k');
    g.trace('slot_keys', all, ['slots', this.#head.width]);
  }
}

/** Features of patches, [slots, taps * width]; an empty slot is a zero vector. */
function slotFeatures(g: Algebra, slots: Tensor, features: Tensor): Tensor {
  const isFilled = g.unsqueeze(g.lessOrEqual(g.int(0), slots), [1]);
  return g.where(isFilled, g.gather(features, g.max(slots, g.int(0))), g.float(0));
}
