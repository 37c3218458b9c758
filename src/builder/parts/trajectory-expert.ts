import {
  layersOfBlocks,
  type LanguageArchitecture,
  type TrajectoryExpertArchitecture,
} from '../../inference/architecture.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';
import {
  embedTimes,
  crossAttention,
  expertMlp,
  headedContext,
  integrateFlow,
  plainNorm,
  projectContext,
  selfAttention,
  stateOfLayer,
  type HeadedContext,
} from './flow.js';
import { rotaryFrequencies } from './language.js';

const ROOT = 'trajectory_expert';
const AXES = 3;

/**
 * The flow-matching forecaster of the MolmoMotion paper (2.2, D.1, D.4): clean history and noised future positions of all points are tokens; each
 * block lets them look at one another, rotated along the point and the frame axis, and at the decoder's states. The flow time is added to every
 * token.
 * @param history float32 [points, history frames, 3], metres relative to the anchor. @param noise float32 [points, horizon, 3].
 * @returns float32 [points, horizon, 3], metres relative to the anchor.
 */
export function trajectoryExpert(
  g: Algebra,
  weights: Weights,
  expert: TrajectoryExpertArchitecture,
  language: LanguageArchitecture,
  hidden: readonly Tensor[],
  history: Tensor,
  noise: Tensor,
): Tensor {
  const { width, points, horizon, flowSteps, blocks, heads } = expert;
  const frames = expert.history + horizon;
  const layers = layersOfBlocks(expert.layerMode, blocks, language.layers);
  const contexts = layers.map((layer, b): HeadedContext => {
    const context = projectContext(g, weights, stateOfLayer(g, hidden, layer), {
      root: ROOT,
      width,
      norm: expert.contextNorm,
    });
    return headedContext(g, { weights, name: `${ROOT}.blocks.${b}.attn2`, heads, width }, context);
  });
  const times = g.cast(embedTimes(g, weights, ROOT, flowSteps, expert.timeWidth), 'float32');
  const clean = g.mul(history, g.float(expert.unitsPerMetre));
  const roles = g.unsqueeze(
    g.gather(
      weights.exact(`${ROOT}.role_embed`),
      g.ints(Array.from({ length: frames }, (_, f) => (f < expert.history ? 0 : 1))),
    ),
    [0],
  );
  const rotation = rotationTables(g, expert, frames);

  const { result, collected } = integrateFlow(g, flowSteps, noise, (inner, x, i) => {
    const coordinates = inner.reshape(inner.concat([clean, x], 1), [-1, AXES]);
    const encoded = inner.silu(weights.linear(inner, coordinates, `${ROOT}.coordinate_encoder.0`));
    const embedded = inner.cast(weights.linear(inner, encoded, `${ROOT}.coordinate_encoder.2`), 'float32');
    const placed = inner.add(inner.reshape(embedded, [points, frames, width]), roles);
    let tokens = inner.add(inner.reshape(placed, [-1, width]), inner.gather(times, i));
    for (let b = 0; b < blocks; b++) {
      tokens = inner.within(`block_${b}`, () =>
        trajectoryBlock(inner, weights, expert, `${ROOT}.blocks.${b}`, tokens, contexts[b]!, rotation),
      );
    }
    const future = inner.slice(inner.reshape(tokens, [points, frames, width]), 1, expert.history, frames);
    const normed = plainNorm(inner, inner.reshape(future, [-1, width]), width);
    const decoded = inner.silu(weights.linear(inner, normed, `${ROOT}.coordinate_decoder.0`));
    const velocity = inner.cast(weights.linear(inner, decoded, `${ROOT}.coordinate_decoder.2`), 'float32');
    return { velocity: inner.reshape(velocity, [points, horizon, AXES]), collected: [] };
  });
  if (g.tracing) g.trace('velocities', collected[0]!, [flowSteps, points, horizon, AXES]);
  return g.div(result, g.float(expert.unitsPerMetre));
}

interface Rotation {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/**
 * Angles of every token, [1, points * frames, headSize / 2]: the first half of a head's pairs turns with the point's number, the second with the
 * frame's.
 */
function rotationTables(g: Algebra, expert: TrajectoryExpertArchitecture, frames: number): Rotation {
  const angles = trajectoryAngles(expert);
  const dimensions = [1, expert.points * frames, expert.width / expert.heads / 2];
  return { cos: g.floats(angles.map(Math.cos), dimensions), sin: g.floats(angles.map(Math.sin), dimensions) };
}

/** Row-major [points * frames, headSize / 2]. */
export function trajectoryAngles(expert: TrajectoryExpertArchitecture): number[] {
  const quarter = expert.width / expert.heads / 4;
  const byPoint = rotaryFrequencies(2 * quarter, expert.pointTheta);
  const byFrame = rotaryFrequencies(2 * quarter, expert.frameTheta);
  const angles: number[] = [];
  for (let p = 0; p < expert.points; p++)
    for (let f = 0; f < expert.history + expert.horizon; f++)
      angles.push(...byPoint.map((frequency) => p * frequency), ...byFrame.map((frequency) => f * frequency));
  return angles;
}

/** x + self(norm(x)), x + cross(norm(x)), x + mlp(norm(x)). */
function trajectoryBlock(
  g: Algebra,
  weights: Weights,
  expert: TrajectoryExpertArchitecture,
  block: string,
  x: Tensor,
  context: HeadedContext,
  { cos, sin }: Rotation,
): Tensor {
  const { heads, width } = expert;
  const attn1 = { weights, name: `${block}.attn1`, heads, width };
  const attn2 = { weights, name: `${block}.attn2`, heads, width };
  const turn = (of: Tensor): Tensor => g.cast(g.rotate(g.cast(of, 'float32'), cos, sin, heads), weights.matrixType);
  const first = g.add(x, selfAttention(g, attn1, plainNorm(g, x, width), turn));
  const second = g.add(first, crossAttention(g, attn2, plainNorm(g, first, width), context));
  return g.add(second, expertMlp(g, weights, block, plainNorm(g, second, width)));
}
