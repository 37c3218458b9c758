import { ConfigurationError } from '../core/errors.js';
import { MODEL_STEP_S, toSeconds } from '../core/time.js';
import type { NodeConfig } from './config/node-config.js';
import type { OpenForecaster } from './model-source.js';
import type { World } from './world.js';

/** A bundle says 0.0667 for 1/15, and so may a configuration. */
const SAME_STEP = 0.01;

/**
 * Seconds between the steps of forecasts, and between the pictures of their history. It is a model's own where a model forecasts: its positions
 * taken at another pace would be a motion of another speed. On clips of published evaluations one step is one frame, whatever the frame rate, as the
 * published scripts have it.
 * @throws ConfigurationError `forecasting.step_s` where the configuration asks a model for another step than its own.
 */
export function forecastStepS({ forecasting }: NodeConfig, { stepS: own }: OpenForecaster, world: World): number {
  const { step_s: asked, forecaster } = forecasting;
  if (asked === 'auto') return world.clip || own === null ? trackStepS(world) : own;
  if (own !== null && !world.clip && Math.abs(asked / own - 1) > SAME_STEP) {
    throw new ConfigurationError({
      code: 'forecasting.step_s',
      message: `forecasting.step_s is ${asked} s, but ${forecaster} answers in steps of ${own} s`,
      remedy: 'leave forecasting.step_s at auto, or correct stepS in bundle.yaml where that is what is wrong',
    });
  }
  return asked;
}

/** The pace of the known tracks, where there are some: their rows are what a forecast is measured against. */
function trackStepS({ tracks }: World): number {
  if (!tracks || tracks.stamps.length < 2) return MODEL_STEP_S;
  return toSeconds(tracks.stamps.at(-1)! - tracks.stamps[0]!) / (tracks.stamps.length - 1);
}
