import {
  layersOfBlocks,
  type ActionExpertArchitecture,
  type LanguageArchitecture,
} from '../../inference/architecture.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';
import {
  crossAttention,
  embedTimes,
  EXPERT_EPSILON,
  expertMlp,
  headedContext,
  integrateFlow,
  plainNorm,
  projectContext,
  selfAttention,
  stateOfLayer,
  type ExpertAttention,
  type HeadedContext,
} from './flow.js';

const ROOT = 'action_expert';

/** shift, scale and gate. */
const MODULATION_PARTS = 3;
/** Of self-attention, cross-attention and MLP, in the order of `adaLN_modulation`. */
const MODULATIONS = 3 * MODULATION_PARTS;
/** shift and scale. */
const FINAL_MODULATIONS = 2;

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
  const modulations = modulationTable(g, weights, expert, activated);
  const prefix = expert.stateMode === 'self_attn' ? 1 : 0;
  const positions = g.slice(g.squeeze(weights.exact(`${ROOT}.action_pos_embed`), [0]), 0, 0, prefix + horizon);

  const partSizes = Array<number>(blocks * MODULATIONS + FINAL_MODULATIONS).fill(width);
  const { result, collected } = integrateFlow(g, flowSteps, g.squeeze(noise, [0]), (inner, x, i) => {
    const embedded = inner.cast(weights.linear(inner, x, `${ROOT}.action_embed`), 'float32');
    let tokens = inner.add(prefix > 0 ? inner.concat([stateToken!, embedded], 0) : embedded, positions);
    const outputs: Tensor[] = [];
    const ofStep = inner.split(inner.gather(modulations, i), partSizes, 0);
    for (let b = 0; b < blocks; b++) {
      tokens = inner.within(`block_${b}`, () =>
        expertBlock(
          inner,
          weights,
          expert,
          `${ROOT}.blocks.${b}`,
          tokens,
          contexts[b]!,
          ofStep.slice(b * MODULATIONS, (b + 1) * MODULATIONS),
        ),
      );
      outputs.push(tokens);
    }
    const actions = prefix > 0 ? inner.slice(tokens, 0, prefix, prefix + horizon) : tokens;
    const [shift, scale] = ofStep.slice(-FINAL_MODULATIONS) as [Tensor, Tensor];
    const modulated = inner.layerNorm(actions, scale, shift, EXPERT_EPSILON);
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

/**
 * Modulations of all steps and blocks, then those of the final layer, one behind the other: [steps, parts * width], float32. The scales have their
 * 1 added: a modulated norm is a LayerNorm whose scale and shift are these. One row is all that a step has to take up.
 */
function modulationTable(g: Algebra, weights: Weights, expert: ActionExpertArchitecture, activated: Tensor): Tensor {
  const { width, blocks, flowSteps } = expert;
  const table = (name: string, traced: string, scales: readonly boolean[]): Tensor => {
    const rows = g.cast(weights.linear(g, activated, name), 'float32');
    if (g.tracing) g.trace(traced, g.reshape(rows, [flowSteps, -1, width]), [flowSteps, scales.length, width]);
    const summands = scales.flatMap((isScale) => Array<number>(width).fill(isScale ? 1 : 0));
    return g.add(rows, g.floats(summands, [1, summands.length]));
  };
  const ofBlock = Array.from({ length: MODULATIONS }, (_, part) => part % MODULATION_PARTS === 1);
  return g.concat(
    [
      ...Array.from({ length: blocks }, (_, b) =>
        table(`${ROOT}.blocks.${b}.adaLN_modulation.1`, `modulation_${b}`, ofBlock),
      ),
      table(`${ROOT}.final_layer.adaLN.1`, 'final_modulation', [false, true]),
    ],
    1,
  );
}

/**
 * x + gate * part(norm(x) * scale + shift), for self-attention, cross-attention and MLP.
 * @param modulations of this block at this step, [width] each; the scales have their 1 added.
 */
function expertBlock(
  g: Algebra,
  weights: Weights,
  expert: ActionExpertArchitecture,
  block: string,
  x: Tensor,
  context: HeadedContext,
  modulations: readonly Tensor[],
): Tensor {
  const { heads, width } = expert;
  const module = (name: string): ExpertAttention => ({ weights, name: `${block}.${name}`, heads, width });
  const steered = (of: Tensor, first: number, part: (normed: Tensor) => Tensor): Tensor => {
    const [shift, scale, gate] = modulations.slice(first, first + MODULATION_PARTS) as [Tensor, Tensor, Tensor];
    return g.add(of, g.mul(gate, part(g.layerNorm(of, scale, shift, EXPERT_EPSILON))));
  };
  const own = steered(x, 0, (normed) => selfAttention(g, module('attn1'), normed));
  const seen = steered(own, MODULATION_PARTS, (normed) => crossAttention(g, module('attn2'), normed, context));
  return steered(seen, 2 * MODULATION_PARTS, (normed) => expertMlp(g, weights, block, normed));
}
