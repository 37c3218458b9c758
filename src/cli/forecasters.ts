import { ConfigurationError } from '../core/errors.js';
import { ExtrapolateForecaster, StaticForecaster } from '../forecasting/baselines.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { parsePredictionRecords, recordFor } from '../forecasting/prediction-records.js';
import { RecordedForecaster } from '../forecasting/recorded.js';
import { ClipRecording } from '../recordings/clip-recording.js';
import type { Recording } from '../recordings/recording.js';
import { readText } from './input-file.js';

export const FORECASTER_NAMES = ['static', 'extrapolate', 'recorded'] as const;
export type ForecasterName = (typeof FORECASTER_NAMES)[number];

export interface ForecasterOptions {
  readonly forecaster: ForecasterName;
  readonly predictions?: string;
  /** Future steps of the baselines. */
  readonly steps: number;
}

/** MolmoMotion-4B-H3-F30. */
export const DEFAULT_STEPS = 30;
const HISTORY = 3;

/** @throws ConfigurationError `forecaster.predictions`, InputError `predictions.*`. */
export async function makeForecaster(options: ForecasterOptions, recording: Recording): Promise<Forecaster> {
  switch (options.forecaster) {
    case 'static':
      return new StaticForecaster(options.steps);
    case 'extrapolate':
      return new ExtrapolateForecaster(options.steps, historyOf(recording));
    case 'recorded': {
      if (options.predictions === undefined) {
        throw new ConfigurationError({
          code: 'forecaster.predictions',
          message: '--forecaster recorded needs the stored answers',
          remedy: 'give --predictions FILE.jsonl',
        });
      }
      if (!(recording instanceof ClipRecording)) {
        throw new ConfigurationError({
          code: 'forecaster.recorded',
          message: `stored answers belong to clips, and ${recording.path} is none`,
          remedy: 'give a clip directory, or another --forecaster',
        });
      }
      const records = parsePredictionRecords(await readText(options.predictions));
      return new RecordedForecaster(recordFor(records, recording.facts));
    }
  }
}

/** A clip has as many history frames as it has; elsewhere three, as the released model. */
function historyOf(recording: Recording): number {
  return (recording.tracks?.t0 ?? HISTORY - 1) + 1;
}
