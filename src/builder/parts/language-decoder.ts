import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { AnswerDecoder, DecodedPass } from './decoding-loop.js';
import type { LanguageModel, LayerCache } from './language.js';

/** The language model behind a prompt as what an answer is read from; its keys and values are carried from pass to pass. */
export class LanguageDecoder implements AnswerDecoder {
  readonly state: readonly Tensor[];
  readonly #language: LanguageModel;
  readonly #promptLength: Tensor;

  /** @param caches of the prompt. @param promptLength int64 scalar. */
  constructor(language: LanguageModel, caches: readonly LayerCache[], promptLength: Tensor) {
    this.#language = language;
    this.#promptLength = promptLength;
    this.state = caches.flatMap(({ keys, values }) => [keys, values]);
  }

  get vocabulary(): number {
    return this.#language.vocabulary;
  }

  logits(g: Algebra, hidden: Tensor): Tensor {
    return this.#language.logits(g, hidden);
  }

  pass(g: Algebra, tokens: Tensor, answered: Tensor, state: readonly Tensor[], isOne: boolean): DecodedPass {
    const past = g.add(this.#promptLength, answered);
    const caches = Array.from({ length: state.length / 2 }, (_, layer): LayerCache => {
      const [keys, values] = state.slice(2 * layer, 2 * layer + 2) as [Tensor, Tensor];
      // Behind `past` stand guesses that were not what the model says.
      return isOne ? { keys, values } : { keys: g.slice(keys, 2, 0, past), values: g.slice(values, 2, 0, past) };
    });
    const step = this.#language.further(g, this.#language.embed(g, tokens), past, caches, isOne);
    return {
      logits: this.#language.logits(g, step.hidden),
      state: step.caches.flatMap(({ keys, values }) => [keys, values]),
    };
  }
}
