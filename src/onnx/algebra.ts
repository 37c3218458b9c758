import { Scope, dataTypeOf, type ElementType, type Tensor } from './graph.js';

/** A whole number or a list of them, as a constant or as a value of the graph. */
export type Size = number | Tensor;

export interface AttentionOptions {
  readonly heads: number;
  /** Fewer than `heads` where several query heads share a key and value head. */
  readonly kvHeads: number;
  /** [queries, keys], added to the scores, or true where a query may look. */
  readonly mask?: Tensor;
  readonly scale: number;
}

/**
 * Tensor algebra over ONNX operators: one method for each operation that the models need, with the types worked out. Formulas of the models are
 * written in these words alone, so that a reader sees the architecture.
 */
export class Algebra extends Scope {
  // Constants

  float(value: number, type: ElementType = 'float32'): Tensor {
    return this.#floats([value], [], type);
  }

  /** float32, row-major. */
  floats(values: ArrayLike<number>, dimensions: readonly number[]): Tensor {
    return this.#floats(values, dimensions, 'float32');
  }

  int(value: number): Tensor {
    return this.ints([value], []);
  }

  /** int64; a list when no dimensions are given. */
  ints(values: readonly number[], dimensions: readonly number[] = [values.length]): Tensor {
    const bytes = BigInt64Array.from(values, BigInt);
    return this.constant('int64', dimensions, new Uint8Array(bytes.buffer));
  }

  bool(value: boolean): Tensor {
    return this.constant('bool', [], Uint8Array.of(value ? 1 : 0));
  }

  #floats(values: ArrayLike<number>, dimensions: readonly number[], type: ElementType): Tensor {
    const data =
      type === 'float32' ? Float32Array.from(values) : type === 'float64' ? Float64Array.from(values) : undefined;
    if (!data) return this.cast(this.#floats(values, dimensions, 'float32'), type);
    return this.constant(type, dimensions, new Uint8Array(data.buffer));
  }

  // Element by element

  add(a: Tensor, b: Tensor): Tensor {
    return this.node('Add', [a, b], a.type);
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return this.node('Sub', [a, b], a.type);
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return this.node('Mul', [a, b], a.type);
  }

  div(a: Tensor, b: Tensor): Tensor {
    return this.node('Div', [a, b], a.type);
  }

  max(a: Tensor, b: Tensor): Tensor {
    return this.node('Max', [a, b], a.type);
  }

  min(a: Tensor, b: Tensor): Tensor {
    return this.node('Min', [a, b], a.type);
  }

  /** Remainder of whole numbers of 0 or more. */
  mod(a: Tensor, b: Tensor): Tensor {
    return this.node('Mod', [a, b], a.type);
  }

  floor(x: Tensor): Tensor {
    return this.node('Floor', [x], x.type);
  }

  ceil(x: Tensor): Tensor {
    return this.node('Ceil', [x], x.type);
  }

  /** Halves to even. */
  round(x: Tensor): Tensor {
    return this.node('Round', [x], x.type);
  }

  abs(x: Tensor): Tensor {
    return this.node('Abs', [x], x.type);
  }

  sin(x: Tensor): Tensor {
    return this.node('Sin', [x], x.type);
  }

  cos(x: Tensor): Tensor {
    return this.node('Cos', [x], x.type);
  }

  equal(a: Tensor, b: Tensor): Tensor {
    return this.node('Equal', [a, b], 'bool');
  }

  less(a: Tensor, b: Tensor): Tensor {
    return this.node('Less', [a, b], 'bool');
  }

  lessOrEqual(a: Tensor, b: Tensor): Tensor {
    return this.node('LessOrEqual', [a, b], 'bool');
  }

  and(a: Tensor, b: Tensor): Tensor {
    return this.node('And', [a, b], 'bool');
  }

  or(a: Tensor, b: Tensor): Tensor {
    return this.node('Or', [a, b], 'bool');
  }

  not(a: Tensor): Tensor {
    return this.node('Not', [a], 'bool');
  }

  where(condition: Tensor, then: Tensor, otherwise: Tensor): Tensor {
    return this.node('Where', [condition, then, otherwise], then.type);
  }

  /** Nothing is laid down where the type is right already. */
  cast(x: Tensor, type: ElementType): Tensor {
    return x.type === type ? x : this.node('Cast', [x], type, { to: { int: dataTypeOf(type) } });
  }

  exp(x: Tensor): Tensor {
    return this.node('Exp', [x], x.type);
  }

  sqrt(x: Tensor): Tensor {
    return this.node('Sqrt', [x], x.type);
  }

  /**
   * x * sigmoid(x), written as x / (1 + exp(-x)): onnxruntime's Sigmoid and Tanh are rational approximations, whose absolute error stays where
   * the function goes to zero and, through a dozen blocks, grows to several times that of PyTorch; its Exp is good to the last bit.
   */
  silu(x: Tensor): Tensor {
    return this.div(x, this.add(this.float(1, x.type), this.exp(this.node('Neg', [x], x.type))));
  }

  /** The exact GELU, by the error function. */
  gelu(x: Tensor): Tensor {
    return this.node('Gelu', [x], x.type, { approximate: { text: 'none' } });
  }

  /** GELU by the hyperbolic tangent: x / (1 + exp(-2 z)) with z = sqrt(2 / pi) (x + 0.044715 x^3), which is the same as x (1 + tanh z) / 2. */
  geluTanh(x: Tensor): Tensor {
    const factor = -2 * Math.sqrt(2 / Math.PI);
    const polynomial = this.add(
      this.float(factor, x.type),
      this.mul(this.mul(x, x), this.float(factor * 0.044715, x.type)),
    );
    return this.div(x, this.add(this.float(1, x.type), this.exp(this.mul(x, polynomial))));
  }

  // Shapes

  shape(x: Tensor): Tensor {
    return this.node('Shape', [x], 'int64');
  }

  /** One size, as a scalar. */
  size(x: Tensor, axis: number): Tensor {
    const list = this.node('Shape', [x], 'int64', { start: { int: axis }, end: { int: axis + 1 } });
    return this.node('Squeeze', [list], 'int64');
  }

  /** A 0 keeps the size of that axis, one -1 is worked out. */
  reshape(x: Tensor, sizes: readonly Size[]): Tensor {
    return this.node('Reshape', [x, this.sizes(sizes)], x.type);
  }

  /** All axes behind the first as one. */
  flatten(x: Tensor): Tensor {
    return this.node('Flatten', [x], x.type, { axis: { int: 1 } });
  }

  /** A list of whole numbers out of constants and scalars of the graph. */
  sizes(sizes: readonly Size[]): Tensor {
    if (sizes.every((size) => typeof size === 'number')) return this.ints(sizes);
    return this.concat(
      sizes.map((size) =>
        typeof size === 'number' ? this.ints([size]) : this.node('Reshape', [size, this.ints([1])], 'int64'),
      ),
      0,
    );
  }

  transpose(x: Tensor, order: readonly number[]): Tensor {
    return this.node('Transpose', [x], x.type, { perm: { ints: order } });
  }

  unsqueeze(x: Tensor, axes: readonly number[]): Tensor {
    return this.node('Unsqueeze', [x, this.ints(axes)], x.type);
  }

  squeeze(x: Tensor, axes: readonly number[]): Tensor {
    return this.node('Squeeze', [x, this.ints(axes)], x.type);
  }

  expand(x: Tensor, sizes: readonly Size[]): Tensor {
    return this.node('Expand', [x, this.sizes(sizes)], x.type);
  }

  concat(parts: readonly Tensor[], axis: number): Tensor {
    return parts.length === 1 ? parts[0]! : this.node('Concat', parts, parts[0]!.type, { axis: { int: axis } });
  }

  split(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
    return this.nodes(
      'Split',
      [x, this.ints(sizes)],
      sizes.map(() => x.type),
      { axis: { int: axis } },
    );
  }

  /** From `start` up to, and without, `end`. */
  slice(x: Tensor, axis: number, start: Size, end: Size): Tensor {
    return this.node('Slice', [x, this.sizes([start]), this.sizes([end]), this.ints([axis])], x.type);
  }

  gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
    return this.node('Gather', [x, indices], x.type, { axis: { int: axis } });
  }

  /** Where a list of truths holds: int64 [as many as hold]. */
  positionsOf(condition: Tensor): Tensor {
    return this.squeeze(this.node('NonZero', [condition], 'int64'), [0]);
  }

  /** The elements, row by row, where a condition of the same shape holds: [as many as hold]. */
  compress(x: Tensor, condition: Tensor): Tensor {
    return this.node('Compress', [this.reshape(x, [-1]), this.reshape(condition, [-1])], x.type);
  }

  /** Whole numbers from 0 up to, and without, `end`. */
  range(end: Tensor): Tensor {
    return this.node('Range', [this.int(0), end, this.int(1)], 'int64');
  }

  // Reductions

  sum(x: Tensor, axis: number, keep = false): Tensor {
    return this.node('ReduceSum', [x, this.ints([axis])], x.type, { keepdims: { int: keep ? 1 : 0 } });
  }

  mean(x: Tensor, axis: number, keep = false): Tensor {
    return this.node('ReduceMean', [x, this.ints([axis])], x.type, { keepdims: { int: keep ? 1 : 0 } });
  }

  /** Largest of a list. */
  largest(x: Tensor): Tensor {
    return this.node('ReduceMax', [x, this.ints([0])], x.type, { keepdims: { int: 0 } });
  }

  /** Smallest of a list. */
  smallest(x: Tensor): Tensor {
    return this.node('ReduceMin', [x, this.ints([0])], x.type, { keepdims: { int: 0 } });
  }

  /** Running sum along an axis, each element included. */
  cumulativeSum(x: Tensor, axis: number): Tensor {
    return this.node('CumSum', [x, this.int(axis)], x.type);
  }

  argmax(x: Tensor, axis: number): Tensor {
    return this.node('ArgMax', [x], 'int64', { axis: { int: axis }, keepdims: { int: 0 } });
  }

  softmax(x: Tensor, axis: number): Tensor {
    return this.node('Softmax', [x], x.type, { axis: { int: axis } });
  }

  // Linear algebra

  matmul(a: Tensor, b: Tensor): Tensor {
    return this.node('MatMul', [a, b], a.type);
  }

  /** x W^T + b with W [out, in], as PyTorch stores it. x [rows, in]. */
  affine(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    return this.node('Gemm', bias ? [x, weight, bias] : [x, weight], x.type, { transB: { int: 1 } });
  }

  // Normalisation, over the last axis

  /** With scale and shift of the last axis' size. */
  layerNorm(x: Tensor, scale: Tensor, shift: Tensor | null, epsilon: number): Tensor {
    return this.node('LayerNormalization', [x, scale, shift], x.type, {
      axis: { int: -1 },
      epsilon: { float: epsilon },
    });
  }

  /** x / sqrt(mean(x^2) + epsilon) * scale. */
  rmsNorm(x: Tensor, scale: Tensor, epsilon: number): Tensor {
    return this.node('RMSNormalization', [x, scale], x.type, { axis: { int: -1 }, epsilon: { float: epsilon } });
  }

  // Attention

  /** Queries [batch, queries, heads * size], keys and values [batch, keys, kvHeads * size]; heads side by side. */
  attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
    const { heads, kvHeads, mask, scale } = options;
    return this.node('Attention', [q, k, v, mask ?? null], q.type, {
      q_num_heads: { int: heads },
      kv_num_heads: { int: kvHeads },
      scale: { float: scale },
    });
  }

  /** The same with the heads as an axis: [batch, heads, queries, size] and [batch, kvHeads, keys, size]. */
  attentionOfHeads(q: Tensor, k: Tensor, v: Tensor, scale: number): Tensor {
    return this.node('Attention', [q, k, v], q.type, { scale: { float: scale } });
  }

  /**
   * Queries of new tokens, [1, tokens, heads * size], over the keys and values of all tokens so far, [1, kvHeads, past, size]; also returns these
   * with the new ones behind them. @param options `mask` [tokens, past + tokens].
   */
  attentionWithPast(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    pastKeys: Tensor,
    pastValues: Tensor,
    { heads, kvHeads, mask, scale }: AttentionOptions,
  ): { readonly attended: Tensor; readonly keys: Tensor; readonly values: Tensor } {
    const [attended, keys, values] = this.nodes(
      'Attention',
      [q, k, v, mask ?? null, pastKeys, pastValues],
      [q.type, k.type, v.type],
      { q_num_heads: { int: heads }, kv_num_heads: { int: kvHeads }, scale: { float: scale } },
    );
    return { attended: attended!, keys: keys!, values: values! };
  }

  /**
   * Rotates pairs (i, i + size/2) of every head.
   * @param x [1, positions, heads * size]. @param cos @param sin [1, positions, size/2].
   */
  rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: number): Tensor {
    return this.node('RotaryEmbedding', [x, cos, sin], x.type, { num_heads: { int: heads } });
  }

  // Control flow

  /** Either branch's result. */
  choose(condition: Tensor, then: (g: Algebra) => Tensor, otherwise: (g: Algebra) => Tensor): Tensor {
    const branch = (lay: (g: Algebra) => Tensor): { readonly body: ReturnType<Scope['toBody']>; type: ElementType } => {
      const scope = new Algebra(this);
      const result = lay(scope);
      return { body: scope.toBody([], [], [result]), type: result.type };
    };
    const first = branch(then);
    const second = branch(otherwise);
    return this.node('If', [condition], first.type, {
      then_branch: { graph: first.body },
      else_branch: { graph: second.body },
    });
  }

  /**
   * Repeats at most `times`, while the body says so. `carried` go from each repetition to the next; `collected` of all repetitions are stacked
   * along a new first axis.
   */
  loop(
    times: Tensor,
    goOn: Tensor,
    carried: readonly Tensor[],
    lay: (g: Algebra, i: Tensor, carried: readonly Tensor[]) => LoopStep,
  ): { readonly carried: Tensor[]; readonly collected: Tensor[] } {
    const scope = new Algebra(this);
    const i = scope.bodyInput('iteration', 'int64');
    const before = scope.bodyInput('before', 'bool');
    const states = carried.map(({ type }) => scope.bodyInput('carried', type));
    const step = lay(scope, i, states);
    const body = scope.toBody([i, before], states, [step.goOn ?? scope.bool(true), ...step.carried, ...step.collected]);
    const results = this.nodes(
      'Loop',
      [times, goOn, ...carried],
      [...step.carried, ...step.collected].map(({ type }) => type),
      { body: { graph: body } },
    );
    return { carried: results.slice(0, carried.length), collected: results.slice(carried.length) };
  }
}

export interface LoopStep {
  /** Always, where left out. */
  readonly goOn?: Tensor;
  readonly carried: readonly Tensor[];
  readonly collected: readonly Tensor[];
}
