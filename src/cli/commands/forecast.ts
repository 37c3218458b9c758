import { Command, Option } from 'commander';
import { InputError } from '../../core/errors.js';
import { toTimeMessage } from '../../core/time.js';
import { UnparsableAnswerError } from '../../forecasting/track-grammar.js';
import { replay } from '../../node/replay.js';
import type { AnswerTokens, Forecast } from '../../core/forecast.js';
import type { Recording } from '../../recordings/recording.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { openRecording } from '../../recordings/open-recording.js';
import { cameraClick, countingNumber, wholeNumber, type CameraClick } from '../arguments.js';
import {
  DEFAULT_STEPS,
  FORECASTER_NAMES,
  makeForecaster,
  type ForecasterName,
  type OpenForecaster,
} from '../forecasters.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, writeTrace, type ModelCommandOptions } from '../model-options.js';
import { say, toJson } from '../terminal.js';
import { forecastOverlay } from '../forecast-overlay.js';

interface ForecastCommandOptions extends ModelCommandOptions {
  readonly bundle?: string;
  readonly maxNewTokens?: number;
  readonly trace?: string;
  readonly forecaster: ForecasterName;
  readonly predictions?: string;
  readonly steps: number;
  readonly instruction?: string;
  readonly trajectory?: number;
  readonly click?: readonly CameraClick[];
  readonly seed: number;
  readonly out: string;
  readonly image?: string;
}

export function forecastCommand(): Command {
  return withModelOptions(
    new Command('forecast')
      .description('forecast once, at the first moment that allows it, and write the positions')
      .argument('<clip>', 'clip directory, or any other recording')
      .addOption(new Option('--forecaster <name>', 'who forecasts').choices(FORECASTER_NAMES).makeOptionMandatory())
      .option('--predictions <file>', 'stored answers (predictions.jsonl) for --forecaster recorded')
      .option('--bundle <dir>', 'model bundle (of build --task forecast) for --forecaster bundle')
      .option('--steps <n>', 'future steps', countingNumber, DEFAULT_STEPS)
      .option('--max-new-tokens <n>', 'longest answer of a bundle (default: 160 for each step)', countingNumber)
      .option('--trace <dir>', 'write intermediate tensors of a bundle as .npy')
      .option('--instruction <text>', 'what to do, in place of the recorded instruction')
      .option('--trajectory <n>', 'trajectory of a MolmoSpaces file', wholeNumber)
      .option('--click <[camera:]x,y>', 'pixel on the object', cameraClick)
      .option('--seed <n>', 'seed of everything that is drawn', wholeNumber, 0)
      .requiredOption(
        '--out <file>',
        'result: {"frame", "stamp", "step_s", "points": [P][F][3] metres, "visible": [P][F], "raw_text"?, "input_ids"?, "tokens"?}',
      )
      .option('--image <file>', 'picture at t0 with the projected paths, PNG'),
  )
    .addHelpText(
      'after',
      '\nA point without a position at a step has visible false and [null, null, null].\nAn answer that does not parse writes {"error", "raw_text", "input_ids"?, "tokens"?} and exits with 3.',
    )
    .action(run);
}

async function run(clip: string, options: ForecastCommandOptions): Promise<void> {
  const recording = await openRecording(clip, { trajectory: options.trajectory });
  try {
    const open = await makeForecaster(
      { ...options, model: modelOptions(options, options.trace !== undefined) },
      recording,
    );
    try {
      await forecastOnce(clip, recording, open, options);
    } finally {
      await open.close();
    }
  } finally {
    await recording.close();
  }
}

async function forecastOnce(
  clip: string,
  recording: Recording,
  { forecaster, lastRun }: OpenForecaster,
  options: ForecastCommandOptions,
): Promise<void> {
  const outcome = await interruptible((signal) =>
    replay(recording, {
      forecaster,
      ...(options.instruction !== undefined && { instruction: options.instruction }),
      ...(options.click && { clicks: options.click }),
      periodS: 1,
      once: true,
      seed: options.seed,
      signal,
    }),
  );
  const run = lastRun();
  if (options.trace !== undefined && run) await writeTrace(options.trace, run);
  if (!outcome.highlight) {
    const failure = outcome.failures[0];
    if (failure instanceof UnparsableAnswerError) {
      await writeAtomically(
        options.out,
        `${toJson({ error: failure.message, raw_text: failure.rawText, ...tokensJson(failure.tokens) })}\n`,
      );
    }
    throw failure instanceof Error ? failure : noForecast(clip);
  }
  await writeAtomically(options.out, `${toJson(forecastJson(outcome.highlight.forecast))}\n`);
  const { highlight } = outcome;
  const picture = options.image === undefined ? null : await forecastOverlay(highlight, { truth: highlight.truth });
  if (picture) await writeAtomically(options.image!, picture);
  say(
    `${outcome.highlight.forecast.positions.length} points, ${forecaster.horizon} steps of ${outcome.highlight.forecast.stepS.toFixed(4)} s, written to ${options.out}`,
  );
}

function forecastJson(forecast: Forecast): unknown {
  return {
    frame: forecast.frameId,
    stamp: toTimeMessage(forecast.stamp),
    step_s: forecast.stepS,
    start: forecast.start,
    points: forecast.positions.map((track) => track.map((p) => p ?? [null, null, null])),
    visible: forecast.positions.map((track) => track.map((p) => p !== null)),
    ...(forecast.rawText !== undefined && { raw_text: forecast.rawText }),
    ...tokensJson(forecast.tokens),
  };
}

function tokensJson(tokens: AnswerTokens | undefined): object {
  return tokens ? { input_ids: tokens.inputIds, ...(tokens.answer && { tokens: tokens.answer }) } : {};
}

function noForecast(clip: string): InputError {
  return new InputError({
    code: 'forecast.none',
    message: `${clip} gave no forecast: no moment has both its history and query points`,
    remedy: 'give --click CAMERA:X,Y, or a recording with point tracks; molmo-motion replay tells what was refused',
  });
}
