import { z } from 'zod';
import { mean } from '../core/statistics.js';
import { readRows } from '../forecasting/prediction-records.js';
import {
  bestOf,
  float32Distance,
  pointMotionMetrics,
  type Metrics,
  type MetricVariant,
  type ScoredPrediction,
} from './metrics.js';

/** Points that nobody saw are NaN in some files; they are not scored. */
const coordinate = z.union([z.number(), z.nan(), z.literal([Infinity, -Infinity])]);
const vector = z.tuple([coordinate, coordinate, coordinate]);
const rowSchema = z.object({
  example_id: z.string().optional(),
  video: z.union([z.string(), z.number()]).optional(),
  obj: z.union([z.string(), z.number()]).optional(),
  t0: z.number().optional(),
  pred_raw_combined: z.array(z.array(vector)),
  gt_future_raw: z.array(z.array(vector)),
  gt_future_vis: z.array(z.array(z.union([z.number(), z.boolean()]))),
});

export interface PredictionsReport {
  readonly variant: MetricVariant;
  /** Over all counted pairs of all records. */
  readonly pooled: Metrics;
  /** By clip, `video|obj|t0`. */
  readonly per_clip: Readonly<Record<string, Metrics>>;
  readonly mean_over_clips: { readonly ADE: number | null; readonly FDE: number | null; readonly PWT: number | null };
  readonly n_clips: number;
  readonly n_records: number;
  /** Records without truth, or whose shapes do not fit: not scored. */
  readonly skipped: readonly { readonly line: number; readonly example_id: string | null; readonly reason: string }[];
}

/**
 * Scores a predictions.jsonl. Records of one clip are pooled (its point batches); records with the same example_id are samples of one
 * prediction, of which each metric takes the best (best-of-k).
 * @throws InputError `predictions.row` for a line that is not JSON.
 */
export function evaluatePredictions(jsonl: string, variant: MetricVariant): PredictionsReport {
  const skipped: { line: number; example_id: string | null; reason: string }[] = [];
  const clips = new Map<string, Map<string, ScoredPrediction[]>>();
  let records = 0;
  for (const { line, value } of readRows(jsonl)) {
    const parsed = rowSchema.safeParse(value);
    const example = (value as { example_id?: unknown } | null)?.example_id;
    const exampleId = typeof example === 'string' ? example : null;
    const scored = parsed.success ? score(parsed.data) : describeFault(value, parsed.error);
    if (typeof scored === 'string') {
      skipped.push({ line, example_id: exampleId, reason: scored });
      continue;
    }
    records++;
    const { video = '', obj = '', t0 = '' } = parsed.data!;
    const clip = `${video}|${obj}|${t0}`;
    const samples = clips.get(clip) ?? new Map<string, ScoredPrediction[]>();
    clips.set(clip, samples);
    const key = exampleId ?? `line ${line}`;
    samples.set(key, [...(samples.get(key) ?? []), scored]);
  }
  const perClip = Object.fromEntries([...clips].map(([name, samples]) => [name, clipMetrics(samples, variant)]));
  const means = (pick: (m: Metrics) => number | null): number | null => {
    const values = Object.values(perClip)
      .map(pick)
      .filter((v) => v !== null);
    return values.length === 0 ? null : mean(values);
  };
  // Of several samples the one with the smallest error is taken, prediction by prediction, and then all are pooled.
  const chosen = [...clips.values()].flatMap((samples) => [...samples.values()].map((s) => bestSample(s, variant)));
  return {
    variant,
    pooled: pointMotionMetrics(chosen, variant),
    per_clip: perClip,
    mean_over_clips: { ADE: means((m) => m.ADE), FDE: means((m) => m.FDE), PWT: means((m) => m.PWT) },
    n_clips: clips.size,
    n_records: records,
    skipped,
  };
}

function bestSample(samples: readonly ScoredPrediction[], variant: MetricVariant): ScoredPrediction {
  const error = (sample: ScoredPrediction): number => pointMotionMetrics([sample], variant).ADE ?? Infinity;
  return samples.reduce((best, sample) => (error(sample) < error(best) ? sample : best));
}

/** Best of the k-th samples, each pooled over the clip's batches. */
function clipMetrics(samples: ReadonlyMap<string, readonly ScoredPrediction[]>, variant: MetricVariant): Metrics {
  const k = Math.max(1, ...[...samples.values()].map((s) => s.length));
  return bestOf(
    Array.from({ length: k }, (_, i) =>
      pointMotionMetrics(
        [...samples.values()].map((s) => s[Math.min(i, s.length - 1)]!),
        variant,
      ),
    ),
  );
}

/** The reason instead, when the shapes do not fit. */
function score(row: z.infer<typeof rowSchema>): ScoredPrediction | string {
  const { pred_raw_combined: predicted, gt_future_raw: truth, gt_future_vis: visible } = row;
  const shape = (rows: readonly (readonly unknown[])[]): string =>
    `${rows.length}x${[...new Set(rows.map((r) => r.length))].join('/')}`;
  if (shape(predicted) !== shape(truth) || shape(visible) !== shape(truth)) {
    return `shapes differ: predicted ${shape(predicted)}, true ${shape(truth)}, visibility ${shape(visible)}`;
  }
  return {
    errors: predicted.map((points, p) => points.map((point, f) => float32Distance(point, truth[p]![f]!))),
    visible: visible.map((points) => points.map(Boolean)),
  };
}

function describeFault(value: unknown, error: z.ZodError): string {
  if (((value as { gt_future_raw?: unknown } | null)?.gt_future_raw ?? null) === null)
    return 'it has no truth (gt_future_raw is null)';
  return z.prettifyError(error).replaceAll('\n', ' ').slice(0, 300);
}
