import { Command } from 'commander';
import type { Layer } from '../../assembly/config/layers.js';
import { loadConfig } from '../../assembly/config/load-config.js';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { modelsOf } from '../../assembly/model-source.js';
import type { AnswerTokens, Decoding, Forecast } from '../../core/forecast.js';
import { InputError } from '../../core/errors.js';
import { toTimeMessage } from '../../core/time.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { UnparsableAnswerError } from '../../forecasting/track-grammar.js';
import { openRecording } from '../../recordings/open-recording.js';
import type { Recording } from '../../recordings/recording.js';
import { replay } from '../../runs/replay.js';
import { wholeNumber } from '../arguments.js';
import { configSources, seedFlag, withConfigOptions, type ConfigCommandOptions } from '../config-options.js';
import { overlayPng } from '../../visualization/overlay.js';
import { forecastOverlay } from '../forecast-overlay.js';
import { interruptible } from '../interruption.js';
import { writeTrace } from '../model-options.js';
import { say, toJson } from '../terminal.js';

interface ForecastCommandOptions extends ConfigCommandOptions {
  readonly trace?: string;
  readonly trajectory?: number;
  readonly seed?: number;
  readonly out: string;
  readonly image?: string;
}

/** Nobody executes anything and nothing is recorded, whatever else the configuration is used for. */
const ONE_FORECAST: Layer = {
  origin: 'molmo-motion forecast',
  values: { planning: { planner: 'none' }, recording: { file: null }, execution: { gate_m: null } },
};

export function forecastCommand(): Command {
  const command = new Command('forecast')
    .description('forecast once, at the first moment that allows it, and write the positions')
    .argument('<clip>', 'clip directory, or any other recording');
  return withConfigOptions(command)
    .option('--seed <n>', 'seed of everything that is drawn (default: 0)', wholeNumber)
    .option('--trace <dir>', 'write intermediate tensors of a bundle as .npy')
    .option('--trajectory <n>', 'trajectory of a MolmoSpaces file', wholeNumber)
    .requiredOption(
      '--out <file>',
      'result: {"frame", "stamp", "step_s", "points": [P][F][3] metres, "visible": [P][F], "raw_text"?, "input_ids"?, "tokens"?, "decoding"?}',
    )
    .option('--image <file>', 'picture at t0 with the projected paths, PNG')
    .addHelpText(
      'after',
      '\nA point without a position at a step has visible false and [null, null, null].\nAn answer that does not parse writes {"error", "raw_text", "input_ids"?, "tokens"?} and exits with 3.',
    )
    .action(run);
}

async function run(clip: string, options: ForecastCommandOptions): Promise<void> {
  const { config } = await loadConfig(
    configSources(options, { preset: 'replay', flags: [...seedFlag(options.seed), ONE_FORECAST] }),
  );
  const recording = await openRecording(clip, { trajectory: options.trajectory });
  try {
    await forecastOnce(clip, recording, config, options);
  } finally {
    await recording.close();
  }
}

async function forecastOnce(
  clip: string,
  recording: Recording,
  config: NodeConfig,
  options: ForecastCommandOptions,
): Promise<void> {
  const models = modelsOf(config, options.trace !== undefined);
  try {
    const outcome = await interruptible((signal) => replay(recording, { config, models, once: true, signal }));
    if (options.trace !== undefined && outcome.lastRun) await writeTrace(options.trace, outcome.lastRun);
    const { highlight } = outcome;
    if (!highlight) {
      const failure = outcome.failures[0];
      if (failure instanceof UnparsableAnswerError) {
        await writeAtomically(
          options.out,
          `${toJson({ error: failure.message, raw_text: failure.rawText, ...tokensJson(failure.tokens) })}\n`,
        );
      }
      throw failure instanceof Error ? failure : noForecast(clip);
    }
    const { forecast } = highlight;
    await writeAtomically(options.out, `${toJson(forecastJson(forecast))}\n`);
    if (options.image !== undefined)
      await writeAtomically(
        options.image,
        await overlayPng(await forecastOverlay(highlight, { truth: highlight.truth })),
      );
    say(
      `${forecast.positions.length} points, ${forecast.positions[0]?.length ?? 0} steps of ${forecast.stepS.toFixed(4)} s, written to ${options.out}`,
    );
  } finally {
    await models.close();
  }
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
    ...(forecast.decoding && { decoding: decodingJson(forecast.decoding) }),
  };
}

function tokensJson(tokens: AnswerTokens | undefined): object {
  return tokens ? { input_ids: tokens.inputIds, ...(tokens.answer && { tokens: tokens.answer }) } : {};
}

/** The pass over the prompt is one of the passes, and by far the longest. */
function decodingJson({ passes, accepted, ms }: Decoding): object {
  return { passes, accepted_tokens: accepted, ms, ms_per_pass: ms / passes };
}

function noForecast(clip: string): InputError {
  return new InputError({
    code: 'forecast.none',
    message: `${clip} gave no forecast: no moment has both its history and query points`,
    remedy: 'give --click CAMERA:X,Y, or a recording with point tracks; molmo-motion replay tells what was refused',
  });
}
