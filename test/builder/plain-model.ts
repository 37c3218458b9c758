import {
  layersOfBlocks,
  patchGrid,
  type Architecture,
  type LanguageArchitecture,
  type VisionArchitecture,
} from '../../src/inference/architecture.js';
import type { TokenIds } from '../../src/inference/model-input.js';
import {
  add,
  attention,
  geluExact,
  geluTanh,
  layerNorm,
  map,
  matrix,
  rmsNorm,
  rotate,
  rows,
  sideBySide,
  silu,
  slice,
  stack,
  type Matrix,
} from './plain-matrix.js';

/**
 * The formulas of the models in float64 loops, one statement after another, without ONNX: what the graphs are held to on random architectures.
 * Nothing of the graph builder is used here.
 */

export type WeightTable = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>;

export class PlainModel {
  readonly #architecture: Architecture;
  readonly #weights: WeightTable;
  readonly #tokens: TokenIds;

  constructor(architecture: Architecture, weights: WeightTable, tokens: TokenIds) {
    this.#architecture = architecture;
    this.#weights = weights;
    this.#tokens = tokens;
  }

  #values(name: string): ArrayLike<number> {
    return this.#weights.get(name)!.data;
  }

  #table(name: string): Matrix {
    const { shape, data } = this.#weights.get(name)!;
    return matrix(shape.at(-2)!, shape.at(-1)!, data);
  }

  #linear(a: Matrix, name: string): Matrix {
    const weight = this.#table(`${name}.weight`);
    const bias = this.#weights.get(`${name}.bias`)?.data;
    return this.#product(a, weight, bias);
  }

  #product(a: Matrix, weight: Matrix, bias?: ArrayLike<number>): Matrix {
    const out = matrix(a.rows, weight.rows);
    for (let row = 0; row < a.rows; row++)
      for (let o = 0; o < weight.rows; o++) {
        let sum = bias?.[o] ?? 0;
        for (let i = 0; i < a.columns; i++) sum += a.data[row * a.columns + i]! * weight.data[o * weight.columns + i]!;
        out.data[row * weight.rows + o] = sum;
      }
    return out;
  }

  /** patches: [crops * patches, values]. */
  visionFeatures(patches: Matrix): Matrix {
    const vit = this.#architecture.vision;
    const [gridRows, gridColumns] = patchGrid(vit);
    const perCrop = gridRows * gridColumns;
    const root = 'vision_backbone.image_vit';
    const positions = this.#values(`${root}.positional_embedding`);
    const crops = Array.from({ length: patches.rows / perCrop }, (_, crop) => {
      let x = map(
        this.#linear(rows(patches, crop * perCrop, (crop + 1) * perCrop), `${root}.patch_embedding`),
        (value, row, column) => value + positions[row * vit.width + column]!,
      );
      const outputs: Matrix[] = [];
      for (let j = 0; j < vit.blocks; j++) {
        x = this.#visionBlock(vit, `${root}.transformer.resblocks.${j}`, x);
        outputs.push(x);
      }
      return sideBySide(vit.taps.map((tap) => outputs[tap]!));
    });
    return stack(...crops);
  }

  #visionBlock(vit: VisionArchitecture, block: string, x: Matrix): Matrix {
    const norm = (name: string, of: Matrix): Matrix =>
      layerNorm(of, vit.epsilon, this.#values(`${block}.${name}.weight`), this.#values(`${block}.${name}.bias`));
    const normed = norm('attention_norm', x);
    const project = (name: string): Matrix => this.#linear(normed, `${block}.attention.${name}`);
    const attended = attention(project('wq'), project('wk'), project('wv'), vit.heads, vit.kvHeads);
    const seen = add(x, this.#linear(attended, `${block}.attention.wo`));
    const inner = map(
      this.#linear(norm('ffn_norm', seen), `${block}.feed_forward.w1`),
      vit.activation === 'gelu' ? geluExact : geluTanh,
    );
    return add(seen, this.#linear(inner, `${block}.feed_forward.w2`));
  }

  /** pooling: row-major [tokens, window]. */
  imageFeatures(features: Matrix, pooling: readonly number[], window: number): Matrix {
    const { vision, connector } = this.#architecture;
    const name = 'vision_backbone.image_pooling_2d';
    const tokens = Array.from({ length: pooling.length / window }, (_, token) => {
      const slots = pooling.slice(token * window, (token + 1) * window);
      const patches = stack(
        ...slots.map((patch) => (patch < 0 ? matrix(1, features.columns) : rows(features, patch, patch + 1))),
      );
      const filled = slots.filter((patch) => patch >= 0).length;
      const count = connector.maskEmpty ? Math.max(filled, 1) : window;
      const mean = map(rows(patches, 0, 1), (_, _row, column) => {
        let sum = 0;
        for (let slot = 0; slot < window; slot++) sum += patches.data[slot * patches.columns + column]!;
        return sum / count;
      });
      if (connector.pooling === 'mean') return mean;
      const query = connector.pooling === 'attention' ? rows(patches, 0, 1) : mean;
      const attended = attention(
        this.#linear(query, `${name}.wq`),
        this.#linear(patches, `${name}.wk`),
        this.#linear(patches, `${name}.wv`),
        vision.heads,
        vision.kvHeads,
        (_, slot) => !connector.maskEmpty || slots[slot]! >= 0,
      );
      return this.#linear(attended, `${name}.wo`);
    });
    const pooled = stack(...tokens);
    const projector = 'vision_backbone.image_projector';
    if (connector.projector === 'linear') return this.#linear(pooled, projector);
    const gate = map(this.#linear(pooled, `${projector}.w1`), silu);
    const up = this.#linear(pooled, `${projector}.w3`);
    return this.#linear(
      map(gate, (x, row, column) => x * up.data[row * up.columns + column]!),
      `${projector}.w2`,
    );
  }

  /** The residual stream after each block; image features, in order, are added to the patch tokens. */
  hiddenStates(ids: readonly number[], imageFeatures: Matrix): Matrix[] {
    const llm = this.#architecture.language;
    const table = this.#table('transformer.wte.embedding');
    let next = 0;
    let x = matrix(
      ids.length,
      llm.width,
      ids.flatMap((id) => {
        const embedding =
          id < llm.vocabulary
            ? rows(table, id, id + 1)
            : rows(this.#table('transformer.wte.new_embedding'), id - llm.vocabulary, id - llm.vocabulary + 1);
        // Tokens of an answer are text, whatever their id.
        const isPatch = id === this.#tokens.imagePatch && next < imageFeatures.rows;
        const feature = isPatch ? rows(imageFeatures, next, ++next).data : null;
        return [...embedding.data].map((value, i) => value + (feature?.[i] ?? 0));
      }),
    );
    const visible = this.#visibility(ids);
    return Array.from({ length: llm.layers }, (_, layer) => (x = this.#decoderBlock(llm, layer, x, visible)));
  }

  #visibility(ids: readonly number[]): (query: number, key: number) => boolean {
    const t = this.#tokens;
    const image = new Set([
      t.imagePatch,
      t.imageColumn,
      t.imageStart,
      t.lowResolutionStart,
      t.frameStart,
      t.imageEnd,
      t.frameEnd,
      t.imageLow,
    ]);
    const mode = this.#architecture.language.imageAttention;
    let frames = 0;
    const frame = ids.map((id) => (id === t.frameStart || id === t.lowResolutionStart ? ++frames : frames));
    return (query, key) =>
      key <= query ||
      (mode !== 'causal' &&
        image.has(ids[query]!) &&
        image.has(ids[key]!) &&
        (mode === 'image_tokens' || frame[key]! <= frame[query]!));
  }

  #decoderBlock(
    llm: LanguageArchitecture,
    layer: number,
    x: Matrix,
    visible: (query: number, key: number) => boolean,
  ): Matrix {
    const block = `transformer.blocks.${layer}`;
    const norm = (name: string, of: Matrix): Matrix =>
      rmsNorm(of, llm.epsilon, this.#values(`${block}.${name}.weight`));
    const attend = (of: Matrix): Matrix => {
      const fused = this.#linear(of, `${block}.att_proj`);
      const queries = llm.heads * llm.headSize;
      const keys = llm.kvHeads * llm.headSize;
      const turned = (part: Matrix, heads: number, name: string): Matrix => {
        const normed =
          llm.qkNorm === 'none'
            ? part
            : rmsNorm(
                part,
                llm.epsilon,
                this.#values(`${block}.${name}.weight`),
                llm.qkNorm === 'head' ? llm.headSize : undefined,
              );
        return rotate(normed, heads, (row, pair) => row * llm.ropeTheta ** ((-2 * pair) / llm.headSize));
      };
      const attended = attention(
        turned(slice(fused, 0, queries), llm.heads, 'q_norm'),
        turned(slice(fused, queries, queries + keys), llm.kvHeads, 'k_norm'),
        slice(fused, queries + keys, queries + 2 * keys),
        llm.heads,
        llm.kvHeads,
        visible,
      );
      return this.#linear(attended, `${block}.attn_out`);
    };
    const mlp = (of: Matrix): Matrix => {
      const fused = this.#linear(of, `${block}.ff_proj`);
      const inner = map(
        slice(fused, 0, llm.mlpWidth),
        (up, row, column) => up * silu(fused.data[row * fused.columns + llm.mlpWidth + column]!),
      );
      return this.#linear(inner, `${block}.ff_out`);
    };
    if (llm.normAfter) {
      const seen = add(x, norm('attn_norm', attend(x)));
      return add(seen, norm('ff_norm', mlp(seen)));
    }
    const seen = add(x, attend(norm('attn_norm', x)));
    return add(seen, mlp(norm('ff_norm', seen)));
  }

  /** Greedy, every step from the beginning; returns the logits of each step too. */
  answer(
    ids: readonly number[],
    imageFeatures: Matrix,
    most: number,
  ): { readonly tokens: number[]; readonly logits: Float64Array[] } {
    const llm = this.#architecture.language;
    const output = this.#table(llm.tiedEmbedding ? 'transformer.wte.embedding' : 'transformer.ff_out.weight');
    const tokens: number[] = [];
    const logits: Float64Array[] = [];
    while (tokens.length < most && tokens.at(-1) !== this.#tokens.eos) {
      const hidden = this.hiddenStates([...ids, ...tokens], imageFeatures).at(-1)!;
      const last = rmsNorm(
        rows(hidden, hidden.rows - 1, hidden.rows),
        llm.epsilon,
        this.#values('transformer.ln_f.weight'),
      );
      const scores = this.#product(last, output).data;
      logits.push(scores);
      tokens.push(scores.indexOf(Math.max(...scores)));
    }
    return { tokens, logits };
  }

  /** state normalised; noise and result row-major [horizon, actionSize]. */
  actions(hidden: readonly Matrix[], state: readonly number[], noise: ArrayLike<number>): Float64Array {
    const expert = this.#architecture.actionExpert!;
    const { width, heads, flowSteps } = expert;
    const root = 'action_expert';
    const padded = Array.from({ length: width }, (_, i) => (expert.stateMode === 'zero' ? 0 : (state[i] ?? 0)));
    const stateToken = layerNorm(this.#linear(matrix(1, width, padded), `${root}.state_encoder`), 1e-6);
    const contexts = layersOfBlocks(expert.layerMode, expert.blocks, hidden.length).map((layer) => {
      const context = this.#context(root, expert.contextNorm, hidden, layer);
      const joined = expert.stateMode === 'cross_attn' || expert.stateMode === 'zero';
      return joined ? stack(context, stateToken) : context;
    });
    const prefix = expert.stateMode === 'self_attn' ? 1 : 0;
    const positions = this.#values(`${root}.action_pos_embed`);
    let x = matrix(expert.horizon, expert.actionSize, noise);
    for (let step = 0; step < flowSteps; step++) {
      const time = map(this.#time(root, step / flowSteps, expert.timeWidth), silu);
      const embedded = this.#linear(x, `${root}.action_embed`);
      let tokens = map(
        prefix ? stack(stateToken, embedded) : embedded,
        (value, row, column) => value + positions[row * width + column]!,
      );
      contexts.forEach((context, b) => {
        const block = `${root}.blocks.${b}`;
        const modulation = this.#linear(time, `${block}.adaLN_modulation.1`).data;
        const part = (i: number): Float64Array => modulation.subarray(i * width, (i + 1) * width);
        const modulated = (of: Matrix, at: number): Matrix =>
          map(layerNorm(of, 1e-6), (value, _, column) => value * (1 + part(at + 1)[column]!) + part(at)[column]!);
        const gated = (to: Matrix, at: number, result: Matrix): Matrix =>
          add(
            to,
            map(result, (value, _, column) => value * part(at + 2)[column]!),
          );
        const own = modulated(tokens, 0);
        tokens = gated(tokens, 0, this.#expertAttention(`${block}.attn1`, heads, own, own));
        tokens = gated(tokens, 3, this.#expertAttention(`${block}.attn2`, heads, modulated(tokens, 3), context));
        tokens = gated(tokens, 6, this.#expertMlp(block, modulated(tokens, 6)));
      });
      const final = this.#linear(time, `${root}.final_layer.adaLN.1`).data;
      const normed = map(
        layerNorm(rows(tokens, prefix, tokens.rows), 1e-6),
        (value, _, column) => value * (1 + final[width + column]!) + final[column]!,
      );
      const velocity = this.#linear(normed, `${root}.final_layer.linear`);
      x = add(
        x,
        map(velocity, (value) => value / flowSteps),
      );
    }
    return x.data;
  }

  /** history [points, history, 3], noise [points, horizon, 3], metres relative to the anchor. */
  trajectory(hidden: readonly Matrix[], history: ArrayLike<number>, noise: ArrayLike<number>): Float64Array {
    const expert = this.#architecture.trajectoryExpert!;
    const { width, heads, points, horizon, flowSteps } = expert;
    const root = 'trajectory_expert';
    const frames = expert.history + horizon;
    const contexts = layersOfBlocks(expert.layerMode, expert.blocks, hidden.length).map((layer) =>
      this.#context(root, expert.contextNorm, hidden, layer),
    );
    const quarter = width / heads / 4;
    const angle = (row: number, pair: number): number => {
      const [point, frame] = [Math.floor(row / frames), row % frames];
      return pair < quarter
        ? point * expert.pointTheta ** (-pair / quarter)
        : frame * expert.frameTheta ** (-(pair - quarter) / quarter);
    };
    const roles = this.#values(`${root}.role_embed`);
    const x = Float64Array.from(noise);
    for (let step = 0; step < flowSteps; step++) {
      const coordinates = matrix(points * frames, 3);
      for (let p = 0; p < points; p++)
        for (let f = 0; f < frames; f++)
          for (let axis = 0; axis < 3; axis++)
            coordinates.data[(p * frames + f) * 3 + axis] =
              f < expert.history
                ? history[(p * expert.history + f) * 3 + axis]! * expert.unitsPerMetre
                : x[(p * horizon + f - expert.history) * 3 + axis]!;
      const time = this.#time(root, step / flowSteps, expert.timeWidth).data;
      const inner = map(this.#linear(coordinates, `${root}.coordinate_encoder.0`), silu);
      let tokens = map(
        this.#linear(inner, `${root}.coordinate_encoder.2`),
        (value, row, column) =>
          value + roles[(row % frames < expert.history ? 0 : 1) * width + column]! + time[column]!,
      );
      contexts.forEach((context, b) => {
        const block = `${root}.blocks.${b}`;
        const own = layerNorm(tokens, 1e-6);
        tokens = add(tokens, this.#expertAttention(`${block}.attn1`, heads, own, own, angle));
        tokens = add(tokens, this.#expertAttention(`${block}.attn2`, heads, layerNorm(tokens, 1e-6), context));
        tokens = add(tokens, this.#expertMlp(block, layerNorm(tokens, 1e-6)));
      });
      const decoded = this.#linear(
        map(this.#linear(layerNorm(tokens, 1e-6), `${root}.coordinate_decoder.0`), silu),
        `${root}.coordinate_decoder.2`,
      );
      for (let p = 0; p < points; p++)
        for (let f = 0; f < horizon; f++)
          for (let axis = 0; axis < 3; axis++)
            x[(p * horizon + f) * 3 + axis]! += decoded.data[(p * frames + expert.history + f) * 3 + axis]! / flowSteps;
    }
    return x.map((value) => value / expert.unitsPerMetre);
  }

  #context(root: string, norm: boolean, hidden: readonly Matrix[], layer: number | null): Matrix {
    const state =
      layer === null
        ? map(
            hidden[0]!,
            (_, row, column) => hidden.reduce((sum, h) => sum + h.data[row * h.columns + column]!, 0) / hidden.length,
          )
        : hidden[layer]!;
    const projected = this.#linear(state, `${root}.context_proj`);
    return norm ? layerNorm(projected, 1e-5) : projected;
  }

  #time(root: string, time: number, size: number): Matrix {
    const half = Math.floor(size / 2);
    const angle = (i: number): number => time * Math.exp((-Math.log(10_000) * i) / Math.max(half - 1, 1));
    const sinusoid = Array.from({ length: size }, (_, i) =>
      i < half ? Math.sin(angle(i)) : i < 2 * half ? Math.cos(angle(i - half)) : 0,
    );
    return this.#linear(
      map(this.#linear(matrix(1, size, sinusoid), `${root}.time_embed.1`), silu),
      `${root}.time_embed.3`,
    );
  }

  #expertAttention(
    name: string,
    heads: number,
    x: Matrix,
    context: Matrix,
    angle?: (row: number, pair: number) => number,
  ): Matrix {
    const turned = (of: Matrix): Matrix => (angle ? rotate(of, heads, angle) : of);
    const both = this.#linear(context, `${name}.kv_proj`);
    const width = both.columns / 2;
    const attended = attention(
      turned(this.#linear(x, `${name}.q_proj`)),
      turned(slice(both, 0, width)),
      slice(both, width, 2 * width),
      heads,
      heads,
    );
    return this.#linear(attended, `${name}.proj`);
  }

  #expertMlp(block: string, x: Matrix): Matrix {
    return this.#linear(map(this.#linear(x, `${block}.mlp.fc1`), geluExact), `${block}.mlp.fc2`);
  }
}
