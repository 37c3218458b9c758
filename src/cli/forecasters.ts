import { ConfigurationError } from '../core/errors.js';
import { AutoregressiveForecaster } from '../forecasting/autoregressive.js';
import { ExtrapolateForecaster, StaticForecaster } from '../forecasting/baselines.js';
import { FlowMatchingForecaster } from '../forecasting/flow-matching.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { parsePredictionRecords, recordFor } from '../forecasting/prediction-records.js';
import { RecordedForecaster } from '../forecasting/recorded.js';
import { Model, type ModelOptions, type ModelRun } from '../inference/model.js';
import { AnswerModel, FlowModel } from '../inference/networks.js';
import { TruthForecaster } from '../node/truth.js';
import { ClipRecording } from '../recordings/clip-recording.js';
import type { Recording } from '../recordings/recording.js';
import { readText } from './input-file.js';

export const FORECASTER_NAMES = ['static', 'extrapolate', 'recorded', 'truth', 'bundle'] as const;
export type ForecasterName = (typeof FORECASTER_NAMES)[number];

export interface ForecasterOptions {
  readonly forecaster: ForecasterName;
  readonly predictions?: string;
  /** Future steps that are asked for. */
  readonly steps: number;
  readonly seed: number;
  /** Folder, for `bundle`. */
  readonly bundle?: string;
  readonly maxNewTokens?: number;
  readonly model: ModelOptions;
}

export interface OpenForecaster {
  readonly forecaster: Forecaster;
  /** The last run of its model, where it has one. */
  readonly lastRun: () => ModelRun | null;
  readonly close: () => Promise<void>;
}

/** MolmoMotion-4B-H3-F30. */
export const DEFAULT_STEPS = 30;
export const HISTORY = 3;

/** @throws ConfigurationError `forecaster.*`, InputError `predictions.*`, and those of the model. */
export async function makeForecaster(options: ForecasterOptions, recording: Recording): Promise<OpenForecaster> {
  switch (options.forecaster) {
    case 'static':
      return withoutModel(new StaticForecaster(options.steps));
    case 'extrapolate':
      return withoutModel(new ExtrapolateForecaster(options.steps, historyOf(recording)));
    case 'recorded': {
      if (options.predictions === undefined)
        throw missingOption('recorded', 'the stored answers', '--predictions FILE.jsonl');
      if (!(recording instanceof ClipRecording)) {
        throw new ConfigurationError({
          code: 'forecaster.recorded',
          message: `stored answers belong to clips, and ${recording.path} is none`,
          remedy: 'give a clip directory, or another --forecaster',
        });
      }
      const records = parsePredictionRecords(await readText(options.predictions));
      return withoutModel(new RecordedForecaster(recordFor(records, recording.facts)));
    }
    case 'truth': {
      if (!recording.tracks) {
        throw new ConfigurationError({
          code: 'forecaster.truth',
          message: `${recording.path} does not know where points really go`,
          remedy: 'give a recording with point tracks, or another --forecaster',
        });
      }
      return withoutModel(new TruthForecaster(recording.tracks, options.steps, historyOf(recording)));
    }
    case 'bundle': {
      if (options.bundle === undefined)
        throw missingOption('bundle', 'a model', '--bundle DIR (of molmo-motion build)');
      return openModelForecaster(options.bundle, options, historyOf(recording));
    }
  }
}

function withoutModel(forecaster: Forecaster): OpenForecaster {
  return { forecaster, lastRun: () => null, close: () => Promise.resolve() };
}

async function openModelForecaster(
  folder: string,
  options: ForecasterOptions,
  pictures: number,
): Promise<OpenForecaster> {
  const model = await Model.open(folder, 'forecast', options.model);
  return { ...modelForecaster(model, options, pictures), close: () => model.close() };
}

/**
 * @param pictures of the history that there are at most; a model that takes fewer looks at the newest. @param options.seed of the noise that a
 * flow-matching model starts from.
 */
export function modelForecaster(
  model: Model,
  options: Pick<ForecasterOptions, 'steps' | 'seed' | 'maxNewTokens'>,
  pictures: number,
): Omit<OpenForecaster, 'close'> {
  if (model.bundle.description.architecture.trajectoryExpert) {
    const network = new FlowModel(model);
    return { forecaster: new FlowMatchingForecaster(network, options.seed), lastRun: () => network.lastRun };
  }
  const network = new AnswerModel(model);
  // A clip may have fewer pictures than the model could take; the published models were trained with both.
  const history = Math.min(network.maxImages, pictures);
  const forecaster = new AutoregressiveForecaster(network, options.steps, history, options.maxNewTokens);
  return { forecaster, lastRun: () => network.lastRun };
}

function missingOption(forecaster: string, what: string, option: string): ConfigurationError {
  return new ConfigurationError({
    code: `forecaster.${forecaster}`,
    message: `--forecaster ${forecaster} needs ${what}`,
    remedy: `give ${option}`,
  });
}

/** A clip has as many history frames as it has; elsewhere three, as the released model. */
function historyOf(recording: Recording): number {
  return (recording.tracks?.t0 ?? HISTORY - 1) + 1;
}
