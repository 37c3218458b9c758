import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';

/** What reads the tokens of an answer and scores those that may follow each of them. */
export interface AnswerDecoder {
  readonly vocabulary: number;
  /** Carried from pass to pass. */
  readonly state: readonly Tensor[];
  /** Scores of the first token, [1, vocabulary], from what the prompt left behind. */
  logits(g: Algebra, last: Tensor): Tensor;
  /**
   * @param tokens int64 [tokens] to read, none of which has been read. @param answered int64 scalar: tokens of the answer before them; whatever
   * else the state remembers was a wrong guess. @param isOne where there is always one token.
   */
  pass(g: Algebra, tokens: Tensor, answered: Tensor, state: readonly Tensor[], isOne: boolean): DecodedPass;
}

export interface DecodedPass {
  /** Of the token behind each that was read, float32 [tokens, vocabulary]. */
  readonly logits: Tensor;
  readonly state: readonly Tensor[];
}

/** Where guesses come from. */
export interface Draft {
  /** Most guesses in a pass, int64 scalar; 0 for none. */
  readonly most: Tensor;
  /** `count` (int64 scalar, 1 or more) guesses of what follows an answer so far, int64 [count]; any tokens of the vocabulary will do. */
  readonly guess: (g: Algebra, answer: Tensor, count: Tensor) => Tensor;
}

export interface AnswerOptions {
  /** int64 scalar, 1 or more. */
  readonly maxNewTokens: Tensor;
  readonly eos: number;
  readonly draft: Draft | null;
}

/**
 * Greedy decoding inside the graph: the likeliest token is appended until it is `eos` or there are `maxNewTokens`.
 *
 * With a draft, a pass reads the last token and guesses of the next ones together. The guesses that turn out to be what the model says anyway are
 * taken over, and so is the model's own token behind them: the answer is the same, only the number of passes is not.
 * @param last residual stream of the prompt's last token, [1, width].
 * @returns `tokens` int64 [tokens], the ending `eos` included; `passes` int64 scalar, the prompt's own not counted; and, traced, the logits that
 * each token was chosen from.
 */
export function greedyAnswer(
  g: Algebra,
  decoder: AnswerDecoder,
  last: Tensor,
  { maxNewTokens, eos, draft }: AnswerOptions,
): { readonly tokens: Tensor; readonly passes: Tensor } {
  const firstLogits = decoder.logits(g, last);
  const first = g.argmax(firstLogits, 1);
  const traced = g.tracing ? [firstLogits] : [];
  const { carried } = g.loop(
    g.sub(maxNewTokens, g.int(1)),
    g.not(g.equal(g.squeeze(first, [0]), g.int(eos))),
    [first, g.int(0), ...traced, ...decoder.state],
    (inner, i, [answer, , ...rest]) => {
      const state = rest.slice(traced.length);
      const length = inner.size(answer!, 0);
      const guesses = draft && guessNext(inner, draft, answer!, inner.sub(maxNewTokens, length));
      const newest = inner.slice(answer!, 0, -1, Number.MAX_SAFE_INTEGER);
      const read = guesses ? inner.concat([newest, guesses], 0) : newest;
      const step = decoder.pass(inner, read, inner.sub(length, inner.int(1)), state, guesses === null);
      const likeliest = inner.argmax(step.logits, 1);
      const count = guesses ? countSaid(inner, likeliest, guesses, eos) : inner.int(1);
      const said = guesses ? inner.slice(likeliest, 0, 0, count) : likeliest;
      const isOver = inner.equal(inner.squeeze(inner.slice(said, 0, -1, Number.MAX_SAFE_INTEGER), [0]), inner.int(eos));
      const grown = inner.concat([answer!, said], 0);
      return {
        goOn: inner.and(inner.not(isOver), inner.less(inner.add(length, count), maxNewTokens)),
        carried: [
          grown,
          inner.add(i, inner.int(1)),
          ...traced.map((_, k) => inner.concat([rest[k]!, inner.slice(step.logits, 0, 0, count)], 0)),
          ...step.state,
        ],
        collected: [],
      };
    },
  );
  const [tokens, passes, logits] = carried as [Tensor, Tensor, Tensor];
  if (g.tracing) g.trace('logits', logits, ['steps', decoder.vocabulary]);
  return { tokens, passes };
}

/** No more guesses than could be taken over beside the model's own token. @param left tokens that may still be said. */
function guessNext(g: Algebra, { most, guess }: Draft, answer: Tensor, left: Tensor): Tensor {
  const count = g.min(most, g.sub(left, g.int(1)));
  return g.choose(
    g.less(g.int(0), count),
    (inner) => guess(inner, answer, count),
    (inner) => inner.slice(answer, 0, 0, 0),
  );
}

/** How many of the likeliest tokens are said: those up to the first that its guess differs from, and none behind an ending. int64 scalar. */
function countSaid(g: Algebra, likeliest: Tensor, guesses: Tensor, eos: number): Tensor {
  const own = g.slice(likeliest, 0, 0, g.size(guesses, 0));
  const ends = g.or(g.not(g.equal(own, guesses)), g.equal(own, g.int(eos)));
  const goesOn = g.equal(g.cumulativeSum(g.cast(ends, 'int64'), 0), g.int(0));
  return g.add(g.sum(g.cast(goesOn, 'int64'), 0), g.int(1));
}
