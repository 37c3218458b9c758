import { z } from 'zod';
import { ANSWER_LABEL } from '../forecasting/prompt.js';
import { formatTracks } from '../forecasting/track-grammar.js';
import type { Tokenizer } from './tokenizer.js';

const id = z.number().int().nonnegative();

/** Tokens that the text of tracks (`<tracks coords="3.0 1 121 -11 -10 2 ...;4.0 ...">label</tracks>`) is made of. */
export const trackTokensSchema = z.strictObject({
  /** 0 to 9. */
  digits: z.array(id).length(10),
  /** `;` between two frames. */
  frame: id,
  /** `.` in a timestamp. */
  point: id,
  /** What stands before a number that is not negative, and before one that is. */
  space: id,
  minus: id,
  /** From the beginning of the answer to its first timestamp. */
  opening: z.array(id).min(1),
  /** From the last number to the end of the answer, the ending token included. */
  closing: z.array(id).min(1),
});
export type TrackTokens = z.infer<typeof trackTokensSchema>;

/** Null where the vocabulary spells tracks in another way: answers of such a model are not drafted. */
export function findTrackTokens(tokenizer: Tokenizer, eos: number): TrackTokens | null {
  const [opening, closing] = formatTracks([], ANSWER_LABEL).split(/(?<==")/) as [string, string];
  const tokens: TrackTokens = {
    digits: tokenizer.encode('0123456789'),
    frame: tokenizer.encode(';')[0]!,
    point: tokenizer.encode('.')[0]!,
    space: tokenizer.encode(' 1')[0]!,
    minus: tokenizer.encode(' -1')[0]!,
    opening: tokenizer.encode(opening),
    closing: [...tokenizer.encode(closing), eos],
  };
  return spells(tokenizer, tokens) ? tokens : null;
}

/** Whether two frames, written token by token, are what the tokenizer makes of their text. */
function spells(tokenizer: Tokenizer, tokens: TrackTokens): boolean {
  const { digits, frame, point, space, minus, opening, closing } = tokens;
  if (digits.length !== 10) return false;
  const number = (text: string): number[] => Array.from(text, (digit) => digits[Number(digit)]!);
  const written = [
    ...opening,
    ...[...number('3'), point, ...number('0'), space, ...number('1'), space, ...number('120'), minus, ...number('45')],
    ...[frame, ...number('67'), point, ...number('0'), space, ...number('1'), space, ...number('0'), minus],
    ...number('89'),
    ...closing.slice(0, -1),
  ];
  const text = formatTracks([], ANSWER_LABEL).replace('""', '"3.0 1 120 -45;67.0 1 0 -89"');
  return JSON.stringify(tokenizer.encode(text)) === JSON.stringify(written);
}
