import {
  layersOfBlocks,
  type ActionExpertArchitecture,
  type LanguageArchitecture,
} from '../../inference/architecture.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';
import {
  embedTimes,
  EXPERT_EPSILON,
  expertAttention,
  expertMlp,
  headedContext,
  integrateFlow,
  plainNorm,
  projectContext,
  stateOfLayer,
  ones,
  type HeadedContext,
} from './flow.js';

const ROOT = 'action_expert';

/** shift, scale and gate of self-attention, cross-attention and MLP, in the order of `adaLN_modulation`. */
const MODULATIONS = 9;

/** Modulation of one part of a block at one step, [width] each; `scale` has its 1 added already. */
interface Modulation {
  readonly shift: Tensor;
  readonly scale: Tensor;
  readonly gate: Tensor;
}

/**
 * MolmoBot's ActionExpert (a diffusion transformer with adaptive LayerNorm) and the flow that it steers.
 * @param hidden residual stream after each decoder layer, [tokens, language width].
 * @param state float32 [1, stateSize], normalised. @param noise float32 [1, horizon, actionSize].
 * @returns normalised actions, float32 [1, horizon, actionSize].
 */
export function actionExpert(
  g: Algebra,
  weights: Weights,
  expert: ActionExpertArchitecture,
  language: LanguageArchitecture,
  hidden: readonly Tensor[],
  state: Tensor,
  noise: Tensor,
): Tensor {
  const { width, horizon, flowSteps, blocks } = expert;
  const stateToken =
    expert.stateMode === 'skip' ? null : g.within('state', () => encodeState(g, weights, expert, state));
  if (stateToken) g.trace('state_token', stateToken, [1, width]);
  // Whatever the steps have in common is computed once: each block's keys and values of the context, and the modulations of all times.
  const contexts = g.within('context', () => blockContexts(g, weights, expert, language, hidden, stateToken));
  const times = g.within('times', () => embedTimes(g, weights, ROOT, flowSteps, expert.timeWidth));
  g.trace('time_embeddings', g.cast(times, 'float32'), [flowSteps, width]);
  const activated = g.silu(times);
  const modulations = Array.from({ length: blocks }, (_, b) =>
    modulate(g, weights, `${ROOT}.blocks.${b}.adaLN_modulation.1`, activated, MODULATIONS, width),
  );
  const finalModulation = modulate(g, weights, `${ROOT}.final_layer.adaLN.1`, activated, 2, width);
  modulations.forEach((table, b) => {
    g.trace(`modulation_${b}`, table, [flowSteps, MODULATIONS, width]);
  });
  g.trace('final_modulation', finalModulation, [flowSteps, 2, width]);
  const prefix = expert.stateMode === 'self_attn' ? 1 : 0;
  const positions = g.slice(g.squeeze(weights.exact(`${ROOT}.action_pos_embed`), [0]), 0, 0, prefix + horizon);

  const { result, collected } = integrateFlow(g, flowSteps, g.squeeze(noise, [0]), (inner, x, i) => {
    const embedded = inner.cast(weights.linear(inner, x, `${ROOT}.action_embed`), 'float32');
    let tokens = inner.add(prefix > 0 ? inner.concat([stateToken!, embedded], 0) : embedded, positions);
    const outputs: Tensor[] = [];
    for (let b = 0; b < blocks; b++) {
      tokens = inner.within(`block_${b}`, () =>
        expertBlock(
          inner,
          weights,
          expert,
          `${ROOT}.blocks.${b}`,
          tokens,
          contexts[b]!,
          blockModulation(inner, modulations[b]!, i, width),
        ),
      );
      outputs.push(tokens);
    }
    const actions = prefix > 0 ? inner.slice(tokens, 0, prefix, prefix + horizon) : tokens;
    const [shift, scale] = rowOf(inner, finalModulation, i, 2) as [Tensor, Tensor];
    const modulated = inner.layerNorm(actions, inner.add(scale, ones(inner, width)), shift, EXPERT_EPSILON);
    return {
      velocity: inner.cast(weights.linear(inner, modulated, `${ROOT}.final_layer.linear`), 'float32'),
      collected: outputs,
    };
  });
  if (g.tracing) {
    g.trace('velocities', collected[0]!, [flowSteps, horizon, expert.actionSize]);
    collected.slice(1).forEach((table, b) => {
      g.trace(`expert_block_${b}`, table, [flowSteps, prefix + horizon, width]);
    });
  }
  return g.unsqueeze(result, [0]);
}

/** The state, padded with zeros to the expert's width, as one token [1, width]. */
function encodeState(g: Algebra, weights: Weights, expert: ActionExpertArchitecture, state: Tensor): Tensor {
  const { width, stateMode } = expert;
  const missing = g.sizes([0, 0, 0, g.sub(g.int(width), g.size(state, 1))]);
  const padded = g.node('Pad', [state, missing], 'float32');
  const seen = stateMode === 'zero' ? g.mul(padded, g.float(0)) : padded;
  return plainNorm(g, g.cast(weights.linear(g, seen, `${ROOT}.state_encoder`), 'float32'), width);
}

function blockContexts(
  g: Algebra,
  weights: Weights,
  expert: ActionExpertArchitecture,
  language: LanguageArchitecture,
  hidden: readonly Tensor[],
  stateToken: Tensor | null,
): HeadedContext[] {
  const { width, heads, contextNorm } = expert;
  const projected = new Map<number | null, Tensor>();
  return layersOfBlocks(expert.layerMode, expert.blocks, language.layers).map((layer, b) => {
    const context =
      projected.get(layer) ??
      projectContext(g, weights, stateOfLayer(g, hidden, layer), { root: ROOT, width, norm: contextNorm });
    projected.set(layer, context);
    g.trace(`context_${b}`, context, ['tokens', width]);
    // With a state token among the actions, or with none, the context is the prompt alone.
    const hasState = stateToken !== null && expert.stateMode !== 'self_attn';
    const whole = hasState ? g.concat([context, stateToken], 0) : context;
    const headed = headedContext(g, { weights, name: `${ROOT}.blocks.${b}.attn2`, heads, width }, whole);
    g.trace(`cross_k_${b}`, headed.keys, [1, heads, 'context', width / heads]);
    g.trace(`cross_v_${b}`, headed.values, [1, heads, 'context', width / heads]);
    return headed;
  });
}

/** Modulations of all steps, [steps, parts, width]. */
function modulate(g: Algebra, weights: Weights, name: string, activated: Tensor, parts: number, width: number): Tensor {
  return g.reshape(g.cast(weights.linear(g, activated, name), 'float32'), [-1, parts, width]);
}

/** The parts of one step, [width] each. */
function rowOf(g: Algebra, table: Tensor, i: Tensor, parts: number): Tensor[] {
  return g.split(g.gather(table, i), Array<number>(parts).fill(1), 0).map((part) => g.squeeze(part, [0]));
}

function blockModulation(
  g: Algebra,
  table: Tensor,
  i: Tensor,
  width: number,
): readonly [Modulation, Modulation, Modulation] {
  const parts = rowOf(g, table, i, MODULATIONS);
  const part = (at: number): Modulation => ({
    shift: parts[3 * at]!,
    scale: g.add(parts[3 * at + 1]!, ones(g, width)),
    gate: parts[3 * at + 2]!,
  });
  return [part(0), part(1), part(2)];
}

/** x + gate * part(norm(x) * (1 + scale) + shift), for self-attention, cross-attention and MLP. */
function expertBlock(
  g: Algebra,
  weights: Weights,
  expert: ActionExpertArchitecture,
  block: string,
  x: Tensor,
  context: HeadedContext,
  [self, cross, mlp]: readonly [Modulation, Modulation, Modulation],
): Tensor {
  const { heads, width } = expert;
  // The modulation is the scale and shift of a LayerNorm that has none of its own.
  const modulated = (of: Tensor, { scale, shift }: Modulation): Tensor => g.layerNorm(of, scale, shift, EXPERT_EPSILON);
  const gated = (to: Tensor, { gate }: Modulation, part: Tensor): Tensor => g.add(to, g.mul(gate, part));
  const attn1 = { weights, name: `${block}.attn1`, heads, width };
  const attn2 = { weights, name: `${block}.attn2`, heads, width };
  const own = modulated(x, self);
  const first = gated(x, self, expertAttention(g, attn1, own, headedContext(g, attn1, own)));
  const second = gated(first, cross, expertAttention(g, attn2, modulated(first, cross), context));
  return gated(second, mlp, expertMlp(g, weights, block, modulated(second, mlp)));
}
