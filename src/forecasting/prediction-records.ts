import { z } from 'zod';
import { InputError } from '../core/errors.js';
import type { Vector3 } from '../core/vector.js';

const vector = z.tuple([z.number(), z.number(), z.number()]);

/** A row of predictions.jsonl as the published evaluation scripts write it; fields that are not read here are let through. */
const rowSchema = z.object({
  example_id: z.string(),
  dataset: z.string().optional(),
  video: z.string().optional(),
  obj: z.string().optional(),
  t0: z.number().optional(),
  caption: z.string().optional(),
  point_indices: z.array(z.number()).nullish(),
  stride: z.number().int().positive(),
  rollouts: z
    .array(z.object({ history_track_abs: z.array(z.number()).optional(), anchor: vector, pred_text: z.string() }))
    .min(1),
  pred_raw_combined: z.array(z.array(vector)),
});

export interface PredictionRecord {
  readonly exampleId: string;
  readonly dataset: string | undefined;
  readonly video: string | undefined;
  readonly caption: string | undefined;
  readonly pointIndices: readonly number[] | undefined;
  readonly pointCount: number;
  readonly historySize: number;
  /** Steps kept of each round. */
  readonly stride: number;
  readonly rollouts: readonly { readonly text: string; readonly anchor: Vector3 }[];
}

/** @throws InputError `predictions.row` naming the line. */
export function parsePredictionRecords(jsonl: string): readonly PredictionRecord[] {
  return readRows(jsonl).map(({ line, value }) => {
    const parsed = rowSchema.safeParse(value);
    if (!parsed.success) throw rowError(line, z.prettifyError(parsed.error).replaceAll('\n', ' '));
    const row = parsed.data;
    return {
      exampleId: row.example_id,
      dataset: row.dataset,
      video: row.video,
      caption: row.caption,
      pointIndices: row.point_indices ?? undefined,
      pointCount: row.pred_raw_combined.length,
      historySize: row.rollouts[0]!.history_track_abs?.length ?? 3,
      stride: row.stride,
      rollouts: row.rollouts.map(({ pred_text: text, anchor }) => ({ text, anchor })),
    };
  });
}

/** JSON values by line, as Python's json reads them: NaN and Infinity are numbers, a byte order mark and blank lines are skipped. @throws InputError `predictions.row`. */
export function readRows(jsonl: string): readonly { readonly line: number; readonly value: unknown }[] {
  return jsonl
    .replace(/^\ufeff/, '')
    .split('\n')
    .flatMap((text, i) => {
      if (text.trim() === '') return [];
      try {
        return [{ line: i + 1, value: parseRow(text) }];
      } catch (cause) {
        throw rowError(i + 1, cause instanceof Error ? cause.message : String(cause), cause);
      }
    });
}

/** A text, or one of the numbers that Python's json writes and JSON does not know. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
/** Stands for such a number while the row is parsed; no text of a prediction begins so. */
const MARK = '\u0000number ';

function parseRow(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return JSON.parse(text) as unknown;
  const marked = text.replace(TEXT_OR_NUMBER, (token) =>
    token.startsWith('"') ? token : JSON.stringify(MARK + token),
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value,
  ) as unknown;
}

function rowError(line: number, why: string, cause?: unknown): InputError {
  return new InputError({
    code: 'predictions.row',
    message: `line ${line} of the predictions cannot be used: ${why}`,
    remedy: 'give a predictions.jsonl as full_rollout writes it, one JSON object a line',
    cause,
  });
}

/** What names a clip. */
export interface ClipIdentity {
  readonly video?: string | undefined;
  readonly dataset?: string | undefined;
  readonly pointIndices?: readonly number[] | undefined;
  readonly caption: string;
}

/** The record that was made for a clip. @throws InputError `predictions.no-match` that lists what there is. */
export function recordFor(records: readonly PredictionRecord[], clip: ClipIdentity): PredictionRecord {
  const same = <T>(a: T | undefined, b: T | undefined): boolean =>
    a === undefined || b === undefined || JSON.stringify(a) === JSON.stringify(b);
  const match = records.find(
    (r) =>
      same(r.video, clip.video) &&
      same(r.dataset, clip.dataset) &&
      same(r.pointIndices, clip.pointIndices) &&
      (r.video === undefined || clip.video === undefined ? r.caption === clip.caption : true),
  );
  if (match) return match;
  throw new InputError({
    code: 'predictions.no-match',
    message: `no stored answer is for ${clip.video ?? 'this clip'} ("${clip.caption}"); there are: ${records.map((r) => r.exampleId).join(', ')}`,
    remedy: 'give the predictions of this clip, or another --forecaster',
  });
}
