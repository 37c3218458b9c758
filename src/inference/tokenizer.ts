import * as hub from '@huggingface/tokenizers';
import { z } from 'zod';
import { describeError, InputError } from '../core/errors.js';
import type { GroundingTokens, TokenIds } from './model-input.js';

/** Tokens that the Molmo family adds behind the padded base vocabulary, in this order. */
export const EXTRA_TOKENS = [
  '<im_start>',
  '<im_end>',
  '<im_patch>',
  '<im_col>',
  '<low_res_im_start>',
  '<|image|>',
  '<im_low>',
  '<frame_start>',
  '<frame_end>',
  '<|video|>',
  '<|points|>',
  '<|token_index|>',
  '<|vit_index|>',
  '<|vit_loc|>',
  '<|point_feat|>',
  '<2d_feat_start>',
  '<2d_feat_end>',
] as const;

const addedTokenSchema = z.looseObject({ id: z.number().int().nonnegative(), content: z.string().min(1) });
const tokenizerSchema = z.looseObject({
  added_tokens: z.array(addedTokenSchema),
  model: z.looseObject({ vocab: z.record(z.string(), z.number().int().nonnegative()) }),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;

/** What is used of the library; its own declarations import without file endings, which Node's resolution of types refuses. */
interface HubTokenizer {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: number[] };
  decode(
    ids: number[],
    options: { readonly skip_special_tokens: boolean; readonly clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
}
const { Tokenizer: HubTokenizer } = hub as unknown as {
  readonly Tokenizer: new (tokenizer: object, config: object) => HubTokenizer;
};

/** A checkpoint's tokenizer.json, through the Hugging Face library. */
export class Tokenizer {
  readonly #hub: HubTokenizer;
  /** Texts that become ids of their own wherever they stand, longest first. */
  readonly #special: readonly string[];

  private constructor(hub: HubTokenizer, special: readonly string[]) {
    this.#hub = hub;
    this.#special = special;
  }

  /** @param json content of tokenizer.json. @throws InputError `tokenizer.format`. */
  static parse(file: string, json: string): Tokenizer {
    const data = parseTokenizerFile(file, json);
    try {
      const special = data.added_tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
      return new Tokenizer(new HubTokenizer(data, {}), special);
    } catch (cause) {
      throw badTokenizer(file, describeError(cause));
    }
  }

  /** Special tokens in the text become their ids; nothing is put around it. */
  encode(text: string): number[] {
    return this.#hub.encode(text, { add_special_tokens: false }).ids;
  }

  /** Special tokens stay visible. */
  decode(ids: readonly number[]): string {
    return ids.length === 0
      ? ''
      : this.#hub.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }

  /** Undefined where the vocabulary has no such token. */
  idOf(token: string): number | undefined {
    return this.#hub.token_to_id(token);
  }

  /**
   * Text of a person must not become special tokens: an instruction could then end the turn, or stand for a picture.
   * @throws InputError `prompt.special-token` naming the token.
   */
  refuseSpecialTokens(text: string): void {
    const found = this.#special.find((token) => text.includes(token));
    if (found === undefined) return;
    throw new InputError({
      code: 'prompt.special-token',
      message: `the instruction holds the text ${found}, which the model reads as a special token: ${JSON.stringify(text.slice(0, 200))}`,
      remedy: 'word the instruction without it',
    });
  }
}

/**
 * A tokenizer of a base model, completed as the Molmo code does it: filler tokens up to the padded size, then the extra tokens.
 * @returns the content of a tokenizer.json that has them all.
 * @throws InputError `tokenizer.size` where the base vocabulary is larger than the padded size.
 */
export function completeTokenizer(file: string, json: string, paddedTo: number): string {
  const data = parseTokenizerFile(file, json);
  // Not Math.max(...): a real vocabulary is longer than a list of arguments may be.
  const ids = [...Object.values(data.model.vocab), ...data.added_tokens.map(({ id }) => id)];
  const size = 1 + ids.reduce((most, id) => Math.max(most, id), -1);
  if (size > paddedTo) {
    throw new InputError({
      code: 'tokenizer.size',
      message: `${file} has ${size} tokens, more than the ${paddedTo} of the checkpoint`,
      remedy: 'give the tokenizer that the checkpoint names',
    });
  }
  const add = (id: number, content: string): void =>
    void data.added_tokens.push({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    });
  for (let filler = 0; size + filler < paddedTo; filler++) add(size + filler, `|<EXTRA_TOKENS_${filler}>|`);
  EXTRA_TOKENS.forEach((content, i) => {
    add(paddedTo + i, content);
  });
  return JSON.stringify(data);
}

/**
 * Ids of the tokens that layouts put in, by their names.
 * @param eos text of the token that ends an answer; sequences begin with it too, since the base tokenizer has no other.
 * @throws InputError `tokenizer.token` naming a token that the vocabulary lacks.
 */
export function findTokenIds(file: string, tokenizer: Tokenizer, bos: string, eos: string): TokenIds {
  const id = (token: string): number => findToken(file, tokenizer, token);
  return {
    bos: id(bos),
    eos: id(eos),
    imageStart: id('<im_start>'),
    imageEnd: id('<im_end>'),
    imagePatch: id('<im_patch>'),
    imageColumn: id('<im_col>'),
    lowResolutionStart: id('<low_res_im_start>'),
    imageLow: id('<im_low>'),
    frameStart: id('<frame_start>'),
    frameEnd: id('<frame_end>'),
  };
}

/** Ids of the tokens that MolmoPoint points with. @throws InputError `tokenizer.token`. */
export function findGroundingTokens(file: string, tokenizer: Tokenizer): GroundingTokens {
  return {
    patch: findToken(file, tokenizer, '<|token_index|>'),
    subpatch: findToken(file, tokenizer, '<|vit_index|>'),
    location: findToken(file, tokenizer, '<|vit_loc|>'),
  };
}

function findToken(file: string, tokenizer: Tokenizer, token: string): number {
  const found = tokenizer.idOf(token);
  if (found !== undefined) return found;
  throw new InputError({
    code: 'tokenizer.token',
    message: `${file} has no token ${token}`,
    remedy: 'give the tokenizer that belongs to the checkpoint',
  });
}

function parseTokenizerFile(file: string, json: string): TokenizerFile {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (cause) {
    throw badTokenizer(file, describeError(cause));
  }
  const parsed = tokenizerSchema.safeParse(data);
  if (!parsed.success) throw badTokenizer(file, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}

function badTokenizer(file: string, why: string): InputError {
  return new InputError({
    code: 'tokenizer.format',
    message: `${file} is not a usable tokenizer: ${why}`,
    remedy: 'copy tokenizer.json from the model again',
  });
}
