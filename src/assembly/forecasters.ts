import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigurationError, describeError, InputError } from '../core/errors.js';
import { ExtrapolateForecaster, StaticForecaster } from '../forecasting/baselines.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { parsePredictionRecords, recordFor } from '../forecasting/prediction-records.js';
import { StoredForecaster } from '../forecasting/stored.js';
import { DEFAULT_DRAFT } from '../inference/networks.js';
import type { OpenForecaster } from './model-source.js';
import { entry, Registry } from './registry.js';
import { historyOf, type World } from './world.js';

export interface ForecasterContext {
  readonly world: World;
  readonly seed: number;
}

/** Longer forecasts than a minute at 15 Hz no model makes, and no plan uses. */
const MOST_STEPS = 1000;
/** MolmoMotion-4B-H3-F30. */
const steps = z.number().int().positive().max(MOST_STEPS).default(30).meta({ description: 'future steps' });
/** The longest answer that a context of 36,864 tokens has room for. */
const MOST_TOKENS = 36_864;

/** Reading this many tokens costs more than a pass over one on every machine, and guesses that far ahead are rarely right. */
const MOST_GUESSES = 256;

const withoutModel = (forecaster: Forecaster): OpenForecaster => ({ forecaster, stepS: null, lastRun: () => null });

/** Who can forecast. */
export const FORECASTERS = new Registry<ForecasterContext, OpenForecaster>(
  'forecaster',
  [
    entry({
      name: 'static',
      summary: 'nothing moves',
      options: z.strictObject({ steps }),
      open: (_, options) => Promise.resolve(withoutModel(new StaticForecaster(options.steps))),
    }),
    entry({
      name: 'extrapolate',
      summary: 'every point keeps the velocity of its history',
      options: z.strictObject({ steps }),
      open: ({ world }: ForecasterContext, options) =>
        Promise.resolve(withoutModel(new ExtrapolateForecaster(options.steps, historyOf(world)))),
    }),
    entry({
      name: 'truth',
      summary: 'the true future, which a recording with point tracks and the simulator know',
      options: z.strictObject({ steps }),
      open: async ({ world }: ForecasterContext, options) => {
        if (!world.truth?.forecaster) {
          throw new ConfigurationError({
            code: 'forecaster.truth',
            message: 'nobody knows here where points really go',
            remedy: 'give a recording with point tracks, or another forecaster',
          });
        }
        return withoutModel(await world.truth.forecaster({ steps: options.steps, historySize: historyOf(world) }));
      },
    }),
    entry({
      name: 'stored',
      summary: "a model's stored answers for a clip (predictions.jsonl)",
      argument: 'FILE',
      options: z.strictObject({}),
      open: async ({ world }: ForecasterContext, _, file) => {
        if (!world.clip) {
          throw new ConfigurationError({
            code: 'forecaster.stored',
            message: 'stored answers belong to clips, and this is none',
            remedy: 'give a clip directory, or another forecaster',
          });
        }
        const records = parsePredictionRecords(await readAnswers(file));
        return withoutModel(new StoredForecaster(recordFor(records, world.clip)));
      },
    }),
  ],
  entry({
    name: 'bundle',
    summary: 'a MolmoMotion bundle (of molmo-motion build --task forecast)',
    argument: 'BUNDLE',
    options: z.strictObject({
      steps,
      max_new_tokens: z
        .number()
        .int()
        .positive()
        .max(MOST_TOKENS)
        .nullable()
        .default(null)
        .meta({ description: 'longest answer of a bundle that answers in tokens; null is 160 for each step' }),
      draft: z
        .union([z.number().int().positive().max(MOST_GUESSES), z.literal('off')])
        .default(DEFAULT_DRAFT)
        .meta({ description: 'tokens that are guessed in a pass of such a bundle; they never change the answer' }),
    }),
    open: ({ world, seed }: ForecasterContext, options, folder) =>
      world.models.forecaster(folder, {
        steps: options.steps,
        seed,
        maxNewTokens: options.max_new_tokens,
        draft: options.draft,
        history: historyOf(world),
      }),
  }),
);

async function readAnswers(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InputError({
      code: 'predictions.file',
      message: `the stored answers ${file} cannot be read: ${describeError(cause)}`,
      remedy: 'give the predictions.jsonl of the published evaluation scripts',
      cause,
    });
  }
}
