import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { LanguageModel, LayerCache } from './language.js';

/**
 * Greedy decoding inside the graph: the likeliest token is appended until it is `eos` or there are `maxNewTokens`.
 * @param last residual stream of the prompt's last token, [1, width]. @param maxNewTokens int64 scalar, 1 or more.
 * @returns int64 [tokens], the ending `eos` included; and, traced, the logits that each token was chosen from.
 */
export function greedyAnswer(
  g: Algebra,
  language: LanguageModel,
  last: Tensor,
  caches: readonly LayerCache[],
  promptLength: Tensor,
  maxNewTokens: Tensor,
  eos: number,
): Tensor {
  const firstLogits = language.logits(g, last);
  const first = g.argmax(firstLogits, 1);
  const { collected } = g.loop(
    g.sub(maxNewTokens, g.int(1)),
    g.not(g.equal(g.squeeze(first, [0]), g.int(eos))),
    [first, ...caches.flatMap(({ keys, values }) => [keys, values])],
    (inner, i, [token, ...past]) => {
      const cached = caches.map((_, layer): LayerCache => ({ keys: past[2 * layer]!, values: past[2 * layer + 1]! }));
      const step = language.next(inner, language.embed(inner, token!), inner.add(promptLength, i), cached);
      const logits = language.logits(inner, step.hidden);
      const next = inner.argmax(logits, 1);
      return {
        goOn: inner.not(inner.equal(inner.squeeze(next, [0]), inner.int(eos))),
        carried: [next, ...step.caches.flatMap(({ keys, values }) => [keys, values])],
        collected: inner.tracing ? [next, logits] : [next],
      };
    },
  );
  if (g.tracing) {
    const logits = g.concat([firstLogits, g.reshape(collected[1]!, [-1, language.vocabulary])], 0);
    g.trace('logits', logits, ['steps', 'vocabulary']);
  }
  // A loop that is never entered collects nothing, of no shape.
  return g.concat([first, g.reshape(collected[0]!, [-1])], 0);
}
