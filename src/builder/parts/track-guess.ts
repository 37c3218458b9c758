import type { TrackTokens } from '../../inference/track-tokens.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';

/** Digits of the largest number that is guessed: 1 km in millimetres, less one. */
const MOST_DIGITS = 6;
const END = Number.MAX_SAFE_INTEGER;

/** Fields of tracks, a number each: what stands before it, and its value with its sign. A timestamp is two, `;3` and `.0`. */
interface Fields {
  /** int64 [fields]. */
  readonly separators: Tensor;
  readonly values: Tensor;
  /** Digits of the last one, int64 scalar. */
  readonly lastDigits: Tensor;
  /** Index of the first field of each frame, int64 [frames]. */
  readonly frames: Tensor;
}

/** The frame that is being written: how it began, and how it may go on. */
interface Guess {
  /** int64 [fields]. */
  readonly separators: Tensor;
  readonly values: Tensor;
}

/**
 * Guesses how a text of tracks goes on: every number of a frame is taken to move on from the frame before as that one did from its predecessor
 * (timestamps and ids do so exactly). The frames before an answer's first are those of the prompt's history. All of it is tensor arithmetic on token
 * ids, so that it can stand inside the decoding loop. Text that holds no tracks only makes the guesses wrong.
 */
export class TrackGuess {
  readonly #tokens: TrackTokens;
  /** Of the coordinates in the prompt, int64 [tokens]. */
  readonly #history: Tensor;

  /** @param prompt int64 [tokens]. */
  constructor(g: Algebra, tokens: TrackTokens, prompt: Tensor) {
    this.#tokens = tokens;
    this.#history = g.within('history', () => this.#findHistory(g, prompt));
  }

  /** @param answer so far, int64 [tokens]. @param count int64 scalar. @returns int64 [count]. */
  after(g: Algebra, answer: Tensor, count: Tensor): Tensor {
    return g.within('guess', () => {
      const { opening, closing, frame } = this.#tokens;
      const length = g.size(answer, 0);
      const filler = g.expand(g.int(frame), [count]);
      const openingLeft = g.slice(g.ints(opening), 0, g.min(length, g.int(opening.length)), END);
      const tracks = g.concat([openingLeft, this.#goOn(g, answer), filler], 0);
      // Behind the last number nothing but the closing text follows.
      const closed = g.largest(g.where(g.equal(answer, g.int(closing[0]!)), g.range(length), g.int(-1)));
      const isClosing = g.lessOrEqual(g.int(0), closed);
      const said = g.min(g.sub(length, g.max(closed, g.int(0))), g.int(closing.length));
      const rest = g.concat([g.slice(g.ints(closing), 0, said, END), filler], 0);
      return g.where(isClosing, g.slice(rest, 0, 0, count), g.slice(tracks, 0, 0, count));
    });
  }

  /** From behind the last `="` of the prompt up to the `">` that follows it; nothing where there is none. */
  #findHistory(g: Algebra, prompt: Tensor): Tensor {
    const { opening, closing } = this.#tokens;
    const position = g.range(g.size(prompt, 0));
    const start = g.largest(g.where(g.equal(prompt, g.int(opening.at(-1)!)), g.add(position, g.int(1)), g.int(0)));
    const isEnd = g.and(g.equal(prompt, g.int(closing[0]!)), g.lessOrEqual(start, position));
    const end = g.smallest(g.where(isEnd, position, g.size(prompt, 0)));
    return g.slice(prompt, 0, start, g.where(g.equal(start, g.int(0)), g.int(0), end));
  }

  /** The tokens that complete the frame that is being written, and those of the frame behind it. */
  #goOn(g: Algebra, answer: Tensor): Tensor {
    const { opening, frame, space, minus } = this.#tokens;
    const separator = g.ints([frame]);
    // Two frames of nothing come first, so that there always are two to look back at.
    const text = g.concat(
      [separator, separator, separator, this.#history, separator, g.slice(answer, 0, opening.length, END)],
      0,
    );
    const fields = this.#read(g, text);
    const count = g.size(fields.values, 0);
    const frameFromEnd = (k: number): Tensor => g.squeeze(g.slice(fields.frames, 0, -k, k === 1 ? END : 1 - k), [0]);
    const [current, last, before] = [frameFromEnd(1), frameFromEnd(2), frameFromEnd(3)];
    const size = g.sub(current, last);
    const index = g.range(size);
    const taken = (from: Tensor): Tensor => g.gather(fields.values, g.min(g.add(from, index), g.sub(count, g.int(1))));
    const lastValues = taken(last);
    // A frame of other points says nothing of how these move; the time goes on all the same.
    const isSame = g.equal(g.sub(last, before), size);
    const isFirst = g.cast(g.equal(index, g.int(0)), 'int64');
    const change = g.where(isSame, g.sub(lastValues, taken(before)), isFirst);
    const guessed = g.add(lastValues, change);

    const written = g.sub(count, current);
    const partial = g.sub(written, g.int(1));
    const completed = this.#complete(g, fields, guessed, partial);
    const own = g.where(g.less(index, partial), taken(current), g.where(g.equal(index, partial), completed, guessed));
    const next = g.add(own, g.sub(own, lastValues));
    const lastSeparators = g.slice(fields.separators, 0, last, current);
    const isNumber = g.or(g.equal(lastSeparators, g.int(space)), g.equal(lastSeparators, g.int(minus)));
    const separators = (values: Tensor): Tensor =>
      g.where(isNumber, g.where(g.less(values, g.int(0)), g.int(minus), g.int(space)), lastSeparators);
    const both: Guess = {
      separators: g.concat([separators(guessed), separators(next)], 0),
      values: g.concat([guessed, next], 0),
    };
    return this.#write(g, both, partial, fields.lastDigits);
  }

  /** The last number, of which some digits are written, with as many digits as its guess has: those that are missing are the guess's. */
  #complete(g: Algebra, fields: Fields, guessed: Tensor, partial: Tensor): Tensor {
    const size = g.size(guessed, 0);
    const at = g.max(g.min(partial, g.sub(size, g.int(1))), g.int(0));
    const guess = g.min(g.abs(g.slice(guessed, 0, at, g.add(at, g.int(1)))), g.int(10 ** MOST_DIGITS - 1));
    const missing = g.max(g.sub(this.#countDigits(g, guess), fields.lastDigits), g.int(0));
    const power = this.#powerOfTen(g, missing);
    const value = g.slice(fields.values, 0, -1, END);
    const magnitude = g.add(g.mul(g.abs(value), power), g.mod(guess, power));
    const isNegative = g.equal(g.slice(fields.separators, 0, -1, END), g.int(this.#tokens.minus));
    return g.where(isNegative, g.sub(g.int(0), magnitude), magnitude);
  }

  /** @param text int64 [tokens], a separator first. */
  #read(g: Algebra, text: Tensor): Fields {
    const { digits, frame, point, space, minus } = this.#tokens;
    const isSeparator = [frame, point, space, minus].map((id) => g.equal(text, g.int(id))).reduce((a, b) => g.or(a, b));
    const isDigit = g.cast(g.equal(g.unsqueeze(text, [1]), g.ints(digits, [1, digits.length])), 'int64');
    const digit = g.sum(g.mul(isDigit, g.ints([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, digits.length])), 1);
    const digitsSoFar = g.cumulativeSum(g.sum(isDigit, 1), 0);
    const starts = g.positionsOf(isSeparator);
    const ends = g.concat([g.slice(starts, 0, 1, END), this.#one(g, g.size(text, 0))], 0);
    const lastOf = g.sub(ends, g.int(1));
    const digitsAtEnd = g.gather(digitsSoFar, lastOf);
    const field = g.sub(g.cumulativeSum(g.cast(isSeparator, 'int64'), 0), g.int(1));
    const behind = g.sub(g.gather(digitsAtEnd, field), digitsSoFar);
    const total = g.cumulativeSum(g.mul(digit, this.#powerOfTen(g, behind)), 0);
    const magnitudes = g.sub(g.gather(total, lastOf), g.gather(total, starts));
    const separators = g.gather(text, starts);
    const count = g.sub(digitsAtEnd, g.gather(digitsSoFar, starts));
    return {
      separators,
      values: g.where(g.equal(separators, g.int(minus)), g.sub(g.int(0), magnitudes), magnitudes),
      lastDigits: g.squeeze(g.slice(count, 0, -1, END), [0]),
      frames: g.positionsOf(g.equal(separators, g.int(frame))),
    };
  }

  /**
   * Tokens of fields, without those that are written.
   * @param partial index of the field of which `digits` digits are written; the fields before it are written whole. Both int64 scalars.
   */
  #write(g: Algebra, { separators, values }: Guess, partial: Tensor, digits: Tensor): Tensor {
    const magnitude = g.unsqueeze(g.min(g.abs(values), g.int(10 ** MOST_DIGITS - 1)), [1]);
    const place = g.ints(
      Array.from({ length: MOST_DIGITS }, (_, i) => i),
      [1, MOST_DIGITS],
    );
    const count = this.#countDigits(g, magnitude);
    const power = this.#powerOfTen(g, g.sub(g.sub(count, g.int(1)), place));
    const digit = g.mod(g.div(magnitude, power), g.int(10));
    const tokens = g.concat([g.unsqueeze(separators, [1]), g.gather(g.ints(this.#tokens.digits), digit)], 1);
    const index = g.unsqueeze(g.range(g.size(values, 0)), [1]);
    const isAhead = g.less(partial, index);
    const isLeft = g.and(g.equal(index, partial), g.lessOrEqual(digits, place));
    const isShown = g.and(g.less(place, count), g.or(isAhead, isLeft));
    return g.compress(tokens, g.concat([isAhead, isShown], 1));
  }

  /** Of numbers from 0 up to 10^6 - 1. */
  #countDigits(g: Algebra, magnitudes: Tensor): Tensor {
    return Array.from({ length: MOST_DIGITS - 1 }, (_, i) => 10 ** (i + 1))
      .map((limit) => g.cast(g.lessOrEqual(g.int(limit), magnitudes), 'int64'))
      .reduce((a, b) => g.add(a, b), g.int(1));
  }

  /** Exponents are brought into the range 0 to 6. */
  #powerOfTen(g: Algebra, exponents: Tensor): Tensor {
    const powers = g.ints(Array.from({ length: MOST_DIGITS + 1 }, (_, i) => 10 ** i));
    return g.gather(powers, g.max(g.min(exponents, g.int(MOST_DIGITS)), g.int(0)));
  }

  #one(g: Algebra, scalar: Tensor): Tensor {
    return g.reshape(scalar, [1]);
  }
}
