import { logitCount, type LanguageArchitecture } from '../../inference/architecture.js';
import type { TokenIds } from '../../inference/model-input.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';

const EMBEDDING = 'transformer.wte.embedding';
const OUTPUT = 'transformer.ff_out';
const ADDITIONAL = 'transformer.wte.new_embedding';

/** Keys and values of one layer, [1, kvHeads, tokens, headSize]. */
export interface LayerCache {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** Cosines and sines of the rotary angles, [1, positions, headSize / 2]. */
interface Rotation {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Attention of one block: q, k, v [1, tokens, heads * headSize], rotated; returns heads side by side, [1, tokens, heads * headSize]. */
type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

/** Qwen3's decoder, laid down for a whole prompt or for further tokens. */
export class LanguageModel {
  readonly #weights: Weights;
  readonly #llm: LanguageArchitecture;

  constructor(weights: Weights, llm: LanguageArchitecture) {
    this.#weights = weights;
    this.#llm = llm;
  }

  /** Logits. */
  get vocabulary(): number {
    return logitCount(this.#llm);
  }

  /** ids int64 [tokens] -> float32 [tokens, width]. Ids behind the base vocabulary are rows of the additional table. */
  embed(g: Algebra, ids: Tensor): Tensor {
    const { vocabulary, additionalVocabulary } = this.#llm;
    const base = this.#weights.matrix(EMBEDDING);
    if (additionalVocabulary === 0) return g.cast(g.gather(base, ids), 'float32');
    const last = g.int(vocabulary - 1);
    const isAdditional = g.less(last, ids);
    const ordinary = g.gather(base, g.min(ids, last));
    const additional = g.gather(this.#weights.matrix(ADDITIONAL), g.max(g.sub(ids, g.int(vocabulary)), g.int(0)));
    return g.cast(g.where(g.unsqueeze(isAdditional, [1]), additional, ordinary), 'float32');
  }

  /** Adds (not: writes) the image features, row after row, to the embeddings of the patch tokens, those of the whole image among them. */
  addImageFeatures(g: Algebra, embeddings: Tensor, ids: Tensor, features: Tensor, tokens: TokenIds): Tensor {
    const isPatch = g.or(g.equal(ids, g.int(tokens.imagePatch)), g.equal(ids, g.int(tokens.imageLow)));
    const row = g.max(g.sub(g.cumulativeSum(g.cast(isPatch, 'int64'), 0), g.int(1)), g.int(0));
    return g.add(embeddings, g.where(g.unsqueeze(isPatch, [1]), g.gather(features, row), g.float(0)));
  }

  /** What each token of a prompt may see, bool [tokens, tokens]: everything before it, and image tokens one another as configured. */
  promptMask(g: Algebra, ids: Tensor, tokens: TokenIds): Tensor {
    const position = g.range(g.size(ids, 0));
    const causal = g.lessOrEqual(g.unsqueeze(position, [0]), g.unsqueeze(position, [1]));
    if (this.#llm.imageAttention === 'causal') return causal;
    const isImage = [
      tokens.imagePatch,
      tokens.imageColumn,
      tokens.imageStart,
      tokens.lowResolutionStart,
      tokens.frameStart,
      tokens.imageEnd,
      tokens.frameEnd,
      tokens.imageLow,
    ]
      .map((id) => g.equal(ids, g.int(id)))
      .reduce((a, b) => g.or(a, b));
    const both = g.and(g.unsqueeze(isImage, [1]), g.unsqueeze(isImage, [0]));
    if (this.#llm.imageAttention === 'image_tokens') return g.or(causal, both);
    // Frames are counted by the tokens that begin them; a later frame stays hidden.
    const begins = g.or(g.equal(ids, g.int(tokens.frameStart)), g.equal(ids, g.int(tokens.lowResolutionStart)));
    const frame = g.cumulativeSum(g.cast(begins, 'int64'), 0);
    const notLater = g.lessOrEqual(g.unsqueeze(frame, [0]), g.unsqueeze(frame, [1]));
    return g.or(causal, g.and(both, notLater));
  }

  /**
   * The whole prompt at once.
   * @param x float32 [tokens, width]. @param mask bool [tokens, tokens].
   * @returns the residual stream after each block, [tokens, width], before the final norm; and what further tokens look back at.
   */
  prompt(g: Algebra, x: Tensor, mask: Tensor): { readonly hidden: Tensor[]; readonly caches: LayerCache[] } {
    const { heads, kvHeads, headSize, layers } = this.#llm;
    const rotation = this.#rotation(g, g.range(g.size(x, 0)));
    g.trace('rope_cos', rotation.cos, [1, 'tokens', headSize / 2]);
    g.trace('rope_sin', rotation.sin, [1, 'tokens', headSize / 2]);
    // One table of summands for all layers.
    const visible = g.where(mask, g.float(0), g.float(Number.NEGATIVE_INFINITY));
    const bias = g.cast(visible, this.#weights.matrixType);
    const hidden: Tensor[] = [];
    const caches: LayerCache[] = [];
    let state = x;
    for (let i = 0; i < layers; i++) {
      state = g.within(`layer_${i}`, () =>
        this.#block(g, state, i, rotation, (q, k, v) => {
          const heads4 = (t: Tensor): Tensor => g.transpose(g.reshape(t, [1, -1, kvHeads, headSize]), [0, 2, 1, 3]);
          caches.push({ keys: heads4(k), values: heads4(v) });
          const attended = g.attention(q, k, v, { heads, kvHeads, mask: bias, scale: headSize ** -0.5 });
          if (i === 0) g.trace('block0_attention', attended, [1, 'tokens', heads * headSize]);
          return attended;
        }),
      );
      g.trace(`hidden_${i}`, state, ['tokens', this.#llm.width]);
      hidden.push(state);
    }
    return { hidden, caches };
  }

  /**
   * Further tokens, each of which sees those before it.
   * @param x float32 [tokens, width]. @param past tokens before them, int64 scalar. @param caches of these. @param isOne where there is always one.
   */
  further(
    g: Algebra,
    x: Tensor,
    past: Tensor,
    caches: readonly LayerCache[],
    isOne = false,
  ): { readonly hidden: Tensor; readonly caches: LayerCache[] } {
    const { heads, kvHeads, headSize } = this.#llm;
    const positions = g.add(past, g.range(g.size(x, 0)));
    const rotation = this.#rotation(g, positions);
    // A single token sees everything.
    const mask = isOne ? {} : { mask: this.#furtherMask(g, positions) };
    const grown: LayerCache[] = [];
    let state = x;
    caches.forEach((cache, i) => {
      state = g.within(`layer_${i}`, () =>
        this.#block(g, state, i, rotation, (q, k, v) => {
          const { attended, keys, values } = g.attentionWithPast(q, k, v, cache.keys, cache.values, {
            heads,
            kvHeads,
            ...mask,
            scale: headSize ** -0.5,
          });
          grown.push({ keys, values });
          return attended;
        }),
      );
    });
    return { hidden: state, caches: grown };
  }

  /** Summands of the scores, [tokens, all tokens so far], of the tokens at the last positions. */
  #furtherMask(g: Algebra, positions: Tensor): Tensor {
    const all = g.range(g.add(g.largest(positions), g.int(1)));
    const isVisible = g.lessOrEqual(g.unsqueeze(all, [0]), g.unsqueeze(positions, [1]));
    return g.cast(g.where(isVisible, g.float(0), g.float(Number.NEGATIVE_INFINITY)), this.#weights.matrixType);
  }

  /** Final norm, then scores of the tokens that can be said: [rows, width] -> [rows, vocabulary]. */
  logits(g: Algebra, hidden: Tensor): Tensor {
    const normed = this.finalNorm(g, hidden);
    const { tiedEmbedding, predictsAdditional } = this.#llm;
    const base = tiedEmbedding ? this.#weights.product(g, normed, EMBEDDING) : this.#weights.linear(g, normed, OUTPUT);
    if (!predictsAdditional) return g.cast(base, 'float32');
    const additional = this.#weights.product(g, normed, tiedEmbedding ? ADDITIONAL : `${OUTPUT}.new_weight`);
    return g.concat([g.cast(base, 'float32'), g.cast(additional, 'float32')], 1);
  }

  finalNorm(g: Algebra, hidden: Tensor): Tensor {
    return g.rmsNorm(hidden, this.#weights.exact('transformer.ln_f.weight'), this.#llm.epsilon);
  }

  /** Norms before attention and MLP, or behind them. */
  #block(g: Algebra, x: Tensor, layer: number, rotation: Rotation, attend: Attend): Tensor {
    const block = `transformer.blocks.${layer}`;
    const norm = (name: string, of: Tensor): Tensor =>
      g.rmsNorm(of, this.#weights.exact(`${block}.${name}.weight`), this.#llm.epsilon);
    const attention = (of: Tensor): Tensor => g.cast(this.#attention(g, of, block, rotation, attend), 'float32');
    const mlp = (of: Tensor): Tensor => g.cast(this.#mlp(g, of, block), 'float32');
    if (this.#llm.normAfter) {
      const seen = g.add(x, norm('attn_norm', attention(x)));
      return g.add(seen, norm('ff_norm', mlp(seen)));
    }
    const seen = g.add(x, attention(norm('attn_norm', x)));
    return g.add(seen, mlp(norm('ff_norm', seen)));
  }

  #attention(g: Algebra, x: Tensor, block: string, rotation: Rotation, attend: Attend): Tensor {
    const { heads, kvHeads, headSize, qkNorm, epsilon } = this.#llm;
    const fused = this.#weights.linear(g, x, `${block}.att_proj`);
    const [q, k, v] = g.split(fused, [heads * headSize, kvHeads * headSize, kvHeads * headSize], 1) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const rotated = (of: Tensor, count: number, norm: string): Tensor => {
      const exact = g.cast(of, 'float32');
      const scale = (): Tensor => this.#weights.exact(`${block}.${norm}.weight`);
      const normed =
        qkNorm === 'none'
          ? exact
          : qkNorm === 'width'
            ? g.rmsNorm(exact, scale(), epsilon)
            : g.rmsNorm(g.reshape(exact, [-1, count, headSize]), scale(), epsilon);
      const turned = g.rotate(g.reshape(normed, [1, -1, count * headSize]), rotation.cos, rotation.sin, count);
      return g.cast(turned, this.#weights.matrixType);
    };
    const attended = attend(rotated(q, heads, 'q_norm'), rotated(k, kvHeads, 'k_norm'), g.unsqueeze(v, [0]));
    return this.#weights.linear(g, g.reshape(attended, [-1, heads * headSize]), `${block}.attn_out`);
  }

  /** The first half of the fused projection is the up branch, the second the gate. */
  #mlp(g: Algebra, x: Tensor, block: string): Tensor {
    const { mlpWidth } = this.#llm;
    const [up, gate] = g.split(this.#weights.linear(g, x, `${block}.ff_proj`), [mlpWidth, mlpWidth], 1) as [
      Tensor,
      Tensor,
    ];
    return this.#weights.linear(g, g.mul(g.silu(gate), up), `${block}.ff_out`);
  }

  /** Angles are float32 products of position and frequency, as in the reference: float64 tables move logits by up to 7e-5. */
  #rotation(g: Algebra, positions: Tensor): Rotation {
    const { headSize, ropeTheta } = this.#llm;
    const frequencies = g.floats(rotaryFrequencies(headSize, ropeTheta), [1, headSize / 2]);
    const angles = g.unsqueeze(g.mul(g.unsqueeze(g.cast(positions, 'float32'), [1]), frequencies), [0]);
    return { cos: g.cos(angles), sin: g.sin(angles) };
  }
}

/** 1 / theta^(2i / size), each operation rounded to float32. */
export function rotaryFrequencies(size: number, theta: number): Float32Array {
  return Float32Array.from({ length: size / 2 }, (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / size)));
}
