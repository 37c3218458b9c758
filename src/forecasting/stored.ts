import { vec3 } from 'gl-matrix';
import { InputError } from '../core/errors.js';
import { checkForecast, type Forecast } from '../core/forecast.js';
import type { Vector3 } from '../core/vector.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from './forecaster.js';
import type { PredictionRecord } from './prediction-records.js';
import { parseTracks, trackPositions } from './track-grammar.js';

/** The stored anchor and the points asked about must be the same point: a tenth of a millimetre allows for rounding in files. */
const ANCHOR_TOLERANCE_M = 1e-4;

/** Plays a model's stored answer: the text is parsed as if it had just been generated. */
export class StoredForecaster implements Forecaster {
  readonly name = 'stored';
  readonly horizon: number;
  readonly historySize: number;
  readonly #record: PredictionRecord;

  constructor(record: PredictionRecord) {
    this.#record = record;
    this.historySize = record.historySize;
    this.horizon = record.stride * record.rollouts.length;
  }

  /** Rejects with InputError `forecast.other-points` when the record answers another question, UnparsableAnswerError when its text does not parse. */
  forecast(request: ForecastRequest): Promise<Forecast> {
    return Promise.resolve().then(() => this.#answer(request));
  }

  #answer(request: ForecastRequest): Forecast {
    const header = forecastHeader(request, this.name);
    const { exampleId, rollouts, stride, pointCount, historySize } = this.#record;
    const first = header.start[0];
    if (
      header.start.length !== pointCount ||
      !first ||
      vec3.distance(first, rollouts[0]!.anchor) > ANCHOR_TOLERANCE_M
    ) {
      throw new InputError({
        code: 'forecast.other-points',
        message: `the stored answer ${exampleId} is about ${pointCount} points from (${rollouts[0]!.anchor.join(', ')}), not about these ${header.start.length} from (${first?.join(', ') ?? 'nowhere'})`,
        remedy: 'give the predictions that were made for this clip',
      });
    }
    // Each round of a longer rollout continues from the one before, and keeps its first `stride` steps.
    const rounds = rollouts.map(({ text, anchor }) =>
      trackPositions(parseTracks(text), { points: pointCount, history: historySize, horizon: stride, anchor }),
    );
    const positions = header.start.map((_, p) => rounds.flatMap((round): readonly (Vector3 | null)[] => round[p]!));
    return checkForecast({ ...header, positions, rawText: rollouts.map(({ text }) => text).join('\n') });
  }
}
