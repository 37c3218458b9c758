import { InputError } from './errors.js';
import type { Nanoseconds } from './time.js';
import { isFiniteVector, type Vector3 } from './vector.js';

/** Where each query point will be. Step f is `(f + 1) * stepS` seconds after `stamp`. */
export interface Forecast {
  /** Name of the forecaster that made it. */
  readonly forecaster: string;
  readonly camera: string;
  /** Optical frame of the camera at t0; all positions are in it, also when the camera moves later. */
  readonly frameId: string;
  readonly stamp: Nanoseconds;
  readonly stepS: number;
  readonly instruction: string;
  /** Positions at t0, metres, one for each point. */
  readonly start: readonly Vector3[];
  /** `positions[p][f]`, metres; null where the forecaster said nothing about the point at that step. */
  readonly positions: readonly (readonly (Vector3 | null)[])[];
  /** The model's answer as text, where it answers in text. */
  readonly rawText?: string;
  /** Token ids that the model read and, where it answers in tokens, wrote. */
  readonly tokens?: AnswerTokens;
  /** What the answer cost, where it was decoded token by token. */
  readonly decoding?: Decoding;
}

export interface AnswerTokens {
  readonly inputIds: readonly number[];
  /** The ending token included. */
  readonly answer?: readonly number[];
}

/** How a model came to its answer. */
export interface Decoding {
  /** Times that the model was run: once for the prompt and the first token, then once for every pass of the decoding loop. */
  readonly passes: number;
  /** Tokens that were guessed before the model said them, so that they needed no pass of their own. */
  readonly accepted: number;
  /** Milliseconds of all passes. */
  readonly ms: number;
}

/** @throws InputError `forecast.shape` when rows differ in length or a position is not finite. */
export function checkForecast(forecast: Forecast): Forecast {
  const steps = forecast.positions[0]?.length ?? 0;
  const wrong = forecast.positions.findIndex(
    (row) => row.length !== steps || row.some((p) => p !== null && !isFiniteVector(p)),
  );
  if (wrong >= 0 || forecast.start.length !== forecast.positions.length || !(forecast.stepS > 0)) {
    throw new InputError({
      code: 'forecast.shape',
      message: `forecaster ${forecast.forecaster} returned ${forecast.positions.length} points for ${forecast.start.length} starts, step ${forecast.stepS} s${wrong >= 0 ? `, with a bad row at point ${wrong}` : ''}`,
      remedy: 'every point needs the same number of finite positions or nulls; this is a fault of the forecaster',
    });
  }
  return forecast;
}
