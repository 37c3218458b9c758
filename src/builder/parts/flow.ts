import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';

/** What the diffusion transformers of both experts share. */

/** Of the norm of the context; every other norm of the experts has 1e-6. */
const CONTEXT_EPSILON = 1e-5;
export const EXPERT_EPSILON = 1e-6;

/**
 * Sinusoidal embedding of the flow times i / steps, unscaled: sines, then cosines, then a zero where the width is odd.
 * @returns float32 values of [steps, width].
 */
export function timeSinusoids(steps: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  const table = new Float32Array(steps * width);
  for (let step = 0; step < steps; step++) {
    const time = Math.fround(step / steps);
    for (let i = 0; i < half; i++) {
      const frequency = Math.fround(Math.exp(Math.fround(i * Math.fround(-Math.log(10_000) / Math.max(half - 1, 1)))));
      const angle = Math.fround(time * frequency);
      table[step * width + i] = Math.sin(angle);
      table[step * width + half + i] = Math.cos(angle);
    }
  }
  return table;
}

/** Times of all steps through `time_embed`: [steps, width]. They depend on nothing, so the runtime computes them once, when it loads. */
export function embedTimes(g: Algebra, weights: Weights, root: string, steps: number, width: number): Tensor {
  const sinusoids = g.floats(timeSinusoids(steps, width), [steps, width]);
  const inner = g.silu(weights.linear(g, sinusoids, `${root}.time_embed.1`));
  return weights.linear(g, inner, `${root}.time_embed.3`);
}

export interface ContextOptions {
  readonly root: string;
  readonly width: number;
  readonly norm: boolean;
}

/** Decoder states as context: projected to the expert's width, normalised without scale and shift. [tokens, width]. */
export function projectContext(
  g: Algebra,
  weights: Weights,
  hidden: Tensor,
  { root, width, norm }: ContextOptions,
): Tensor {
  const projected = g.cast(weights.linear(g, hidden, `${root}.context_proj`), 'float32');
  return norm ? plainNorm(g, projected, width, CONTEXT_EPSILON) : projected;
}

/** The decoder state that a block looks at; null is the mean over all layers. */
export function stateOfLayer(g: Algebra, hidden: readonly Tensor[], layer: number | null): Tensor {
  if (layer !== null) return hidden[layer]!;
  const sum = hidden.reduce((total, state) => g.add(total, state));
  return g.div(sum, g.float(hidden.length));
}

/** LayerNorm without scale and shift. */
export function plainNorm(g: Algebra, x: Tensor, width: number, epsilon = EXPERT_EPSILON): Tensor {
  return g.layerNorm(x, ones(g, width), null, epsilon);
}

export function ones(g: Algebra, width: number): Tensor {
  return g.floats(new Float32Array(width).fill(1), [width]);
}

/** Keys and values with the heads as an axis, ready to be looked at again and again. [1, heads, tokens, headSize]. */
export interface HeadedContext {
  readonly keys: Tensor;
  readonly values: Tensor;
}

export interface ExpertAttention {
  readonly weights: Weights;
  /** Of the attention module, such as `action_expert.blocks.0.attn1`. */
  readonly name: string;
  readonly heads: number;
  readonly width: number;
}

/** kv_proj gives keys first, then values. */
export function headedContext(
  g: Algebra,
  { weights, name, heads, width }: ExpertAttention,
  context: Tensor,
): HeadedContext {
  const [keys, values] = g.split(weights.linear(g, context, `${name}.kv_proj`), [width, width], 1) as [Tensor, Tensor];
  return { keys: withHeads(g, keys, heads, width), values: withHeads(g, values, heads, width) };
}

/** [tokens, width] -> [1, heads, tokens, width / heads]. */
function withHeads(g: Algebra, x: Tensor, heads: number, width: number): Tensor {
  return g.transpose(g.reshape(x, [1, -1, heads, width / heads]), [0, 2, 1, 3]);
}

/** Of x [tokens, width] over keys and values that are there already, through the output projection: float32 [tokens, width]. */
export function crossAttention(g: Algebra, module: ExpertAttention, x: Tensor, context: HeadedContext): Tensor {
  const { weights, name, heads, width } = module;
  const q = withHeads(g, weights.linear(g, x, `${name}.q_proj`), heads, width);
  const attended = g.attentionOfHeads(q, context.keys, context.values, (width / heads) ** -0.5);
  return project(g, module, g.transpose(attended, [0, 2, 1, 3]));
}

/**
 * Of x [tokens, width] over itself, through the output projection: float32 [tokens, width].
 * @param turn of queries and keys [1, tokens, width], where their positions rotate them.
 */
export function selfAttention(
  g: Algebra,
  module: ExpertAttention,
  x: Tensor,
  turn: (of: Tensor) => Tensor = (of) => of,
): Tensor {
  const { weights, name, heads, width } = module;
  const q = weights.linear(g, x, `${name}.q_proj`);
  const [k, v] = g.split(weights.linear(g, x, `${name}.kv_proj`), [width, width], 1) as [Tensor, Tensor];
  const batch = (of: Tensor): Tensor => g.unsqueeze(of, [0]);
  const options = { heads, kvHeads: heads, scale: (width / heads) ** -0.5 };
  return project(g, module, g.attention(turn(batch(q)), turn(batch(k)), batch(v), options));
}

function project(g: Algebra, { weights, name, width }: ExpertAttention, attended: Tensor): Tensor {
  return g.cast(weights.linear(g, g.reshape(attended, [-1, width]), `${name}.proj`), 'float32');
}

/** fc1, exact GELU, fc2. */
export function expertMlp(g: Algebra, weights: Weights, block: string, x: Tensor): Tensor {
  const inner = g.gelu(weights.linear(g, x, `${block}.mlp.fc1`));
  return g.cast(weights.linear(g, inner, `${block}.mlp.fc2`), 'float32');
}

/**
 * Euler's method from noise (time 0) to the answer (time 1): x <- x + v(x, t) / steps, in float32.
 * @param velocity v of x at step i; what it collects of every step is stacked along a new first axis.
 */
export function integrateFlow(
  g: Algebra,
  steps: number,
  noise: Tensor,
  velocity: (g: Algebra, x: Tensor, i: Tensor) => { readonly velocity: Tensor; readonly collected: readonly Tensor[] },
): { readonly result: Tensor; readonly collected: readonly Tensor[] } {
  const { carried, collected } = g.loop(g.int(steps), g.bool(true), [noise], (inner, i, [x]) => {
    const step = velocity(inner, x!, i);
    const moved = inner.add(x!, inner.mul(step.velocity, inner.float(1 / steps)));
    return { carried: [moved], collected: inner.tracing ? [step.velocity, ...step.collected] : [] };
  });
  return { result: carried[0]!, collected };
}
