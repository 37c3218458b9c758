import type { ConnectorArchitecture, VisionArchitecture } from '../../inference/architecture.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';

const POOLING = 'vision_backbone.image_pooling_2d';
const PROJECTOR = 'vision_backbone.image_projector';

/**
 * One feature for each image token: attention pooling of its window of patches, then the projector.
 * @param features float32 [all patches, taps * width].
 * @param tokenPooling int64 [tokens, window]: patches of each token, -1 for an empty slot.
 * @returns float32 [tokens, language width].
 */
export function connectImages(
  g: Algebra,
  weights: Weights,
  vision: VisionArchitecture,
  connector: ConnectorArchitecture,
  features: Tensor,
  tokenPooling: Tensor,
): Tensor {
  const isFilled = g.lessOrEqual(g.int(0), tokenPooling);
  const filled = g.cast(isFilled, 'float32');
  const gathered = g.gather(features, g.max(tokenPooling, g.int(0)));
  // An empty slot is a zero vector. [tokens, window, taps * width]
  const window = g.mul(gathered, g.unsqueeze(filled, [2]));
  const pooled = g.within('pooling', () => pool(g, weights, vision, connector, window, isFilled, filled));
  g.trace('pooled_features', pooled, ['tokens', vision.width]);
  const projected = g.within('projector', () => project(g, weights, connector, pooled));
  g.trace('image_features', projected, ['tokens', 'width']);
  return projected;
}

function pool(
  g: Algebra,
  weights: Weights,
  vision: VisionArchitecture,
  connector: ConnectorArchitecture,
  window: Tensor,
  isFilled: Tensor,
  filled: Tensor,
): Tensor {
  const { heads, kvHeads, headSize, width, taps } = vision;
  const slots = g.size(window, 1);
  const count = connector.maskEmpty ? g.max(g.sum(filled, 1, true), g.float(1)) : g.cast(slots, 'float32');
  const mean = g.div(g.sum(window, 1), count);
  if (connector.pooling === 'mean') return mean;
  const query = connector.pooling === 'attention' ? g.squeeze(g.slice(window, 1, 0, 1), [1]) : mean;
  const group = heads / kvHeads;
  const perSlot = (name: string): Tensor => {
    const rows = g.reshape(window, [-1, taps.length * width]);
    return g.reshape(g.cast(weights.linear(g, rows, `${POOLING}.${name}`), 'float32'), [
      -1,
      slots,
      kvHeads,
      1,
      headSize,
    ]);
  };
  const q = g.reshape(g.cast(weights.linear(g, query, `${POOLING}.wq`), 'float32'), [-1, 1, kvHeads, group, headSize]);
  // A window has a handful of slots: scores and sums element by element cost less than thousands of tiny matrix products.
  const scores = g.mul(g.sum(g.mul(q, perSlot('wk')), 4), g.float(headSize ** -0.5));
  const visible = connector.maskEmpty ? g.where(g.unsqueeze(isFilled, [2, 3]), scores, g.float(LOWEST)) : scores;
  const attended = g.sum(g.mul(g.unsqueeze(g.softmax(visible, 1), [4]), perSlot('wv')), 1);
  const merged = g.reshape(attended, [-1, heads * headSize]);
  return (connector.outputProjection ?? true) ? g.cast(weights.linear(g, merged, `${POOLING}.wo`), 'float32') : merged;
}

/** Lowest float32: a score of it gets no weight. */
const LOWEST = -3.4028234663852886e38;

function project(g: Algebra, weights: Weights, connector: ConnectorArchitecture, pooled: Tensor): Tensor {
  if (connector.projector === 'linear') return g.cast(weights.linear(g, pooled, PROJECTOR), 'float32');
  // w1 is the gate.
  const gate = g.silu(weights.linear(g, pooled, `${PROJECTOR}.w1`));
  const up = weights.linear(g, pooled, `${PROJECTOR}.w3`);
  return g.cast(weights.linear(g, g.mul(gate, up), `${PROJECTOR}.w2`), 'float32');
}
