import { patchGrid, type VisionArchitecture } from '../../inference/architecture.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { Weights } from '../weights/weights.js';

const ROOT = 'vision_backbone.image_vit';

/**
 * SigLIP2: patch embedding, learned positions, pre-norm blocks. No class token, no norm behind the last block.
 * @param patches float32 [crops, patches, patch * patch * 3].
 * @returns float32 [crops * patches, taps * width]: the tapped block outputs side by side.
 */
export function visionTransformer(g: Algebra, weights: Weights, vision: VisionArchitecture, patches: Tensor): Tensor {
  const [rows, columns] = patchGrid(vision);
  const count = rows * columns;
  const { width } = vision;
  /** Rows of all crops one below the other, for the matrices; crops apart, for attention. */
  const rowsOf = (x: Tensor): Tensor => g.reshape(x, [-1, width]);
  const embedded = weights.linear(
    g,
    g.reshape(patches, [-1, vision.patchSize * vision.patchSize * 3]),
    `${ROOT}.patch_embedding`,
  );
  let x = rowsOf(
    g.add(g.reshape(g.cast(embedded, 'float32'), [-1, count, width]), weights.exact(`${ROOT}.positional_embedding`)),
  );
  g.trace('vit_input', x, ['patches', width]);
  const outputs: Tensor[] = [];
  for (let j = 0; j < vision.blocks; j++) {
    x = g.within(`block_${j}`, () => visionBlock(g, weights, vision, `${ROOT}.transformer.resblocks.${j}`, x, count));
    g.trace(`vit_block_${j}`, x, ['patches', width]);
    outputs.push(x);
  }
  const features = g.concat(
    vision.taps.map((tap) => outputs[tap]!),
    1,
  );
  g.trace('vit_features', features, ['patches', vision.taps.length * width]);
  return features;
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
function visionBlock(
  g: Algebra,
  weights: Weights,
  vision: VisionArchitecture,
  block: string,
  x: Tensor,
  patches: number,
): Tensor {
  const norm = (name: string, of: Tensor): Tensor =>
    g.layerNorm(of, weights.exact(`${block}.${name}.weight`), weights.exact(`${block}.${name}.bias`), vision.epsilon);
  const normed = norm('attention_norm', x);
  const project = (name: string, heads: number): Tensor =>
    g.reshape(weights.linear(g, normed, `${block}.attention.${name}`), [-1, patches, heads * vision.headSize]);
  const attended = g.attention(
    project('wq', vision.heads),
    project('wk', vision.kvHeads),
    project('wv', vision.kvHeads),
    { heads: vision.heads, kvHeads: vision.kvHeads, scale: vision.headSize ** -0.5 },
  );
  const merged = g.reshape(attended, [-1, vision.heads * vision.headSize]);
  const seen = g.add(x, g.cast(weights.linear(g, merged, `${block}.attention.wo`), 'float32'));
  const wide = weights.linear(g, norm('ffn_norm', seen), `${block}.feed_forward.w1`);
  const inner = vision.activation === 'gelu' ? g.gelu(wide) : g.geluTanh(wide);
  return g.add(seen, g.cast(weights.linear(g, inner, `${block}.feed_forward.w2`), 'float32'));
}
