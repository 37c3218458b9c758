import { existsSync } from 'node:fs';
import type { Arm } from '../core/arm.js';
import { ConfigurationError } from '../core/errors.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { ExtrapolateForecaster, StaticForecaster } from '../forecasting/baselines.js';
import { Model, type ModelOptions } from '../inference/model.js';
import { PolicyModel } from '../inference/networks.js';
import type { ClosedLoopOptions, EpisodeTruth } from '../node/closed-loop.js';
import { MODEL_STEP_S } from '../node/planner-options.js';
import { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import { ExpertForecaster, expertMotion } from '../simulator/expert-forecaster.js';
import { HISTORY, modelForecaster } from './forecasters.js';

/** Who forecasts and who plans in the simulator, named by a word or by the folder of a bundle. */
export interface EpisodeModelOptions {
  readonly arm: Arm;
  readonly forecaster: string;
  readonly planner: string;
  /** Future steps of the forecasters that are no model. */
  readonly steps: number;
  readonly seed: number;
  /** Cameras of the simulator in place of the policy's. */
  readonly policyCameras: readonly (readonly [string, string])[];
  /** Longest answer of a forecaster that answers in tokens. */
  readonly maxNewTokens?: number;
  readonly model: ModelOptions;
}

export interface EpisodeModels extends Pick<ClosedLoopOptions, 'forecaster' | 'planner'> {
  readonly close: () => Promise<void>;
}

const NOTHING_OPEN = (): Promise<void> => Promise.resolve();

/** Opens them once for many episodes. @throws ConfigurationError `forecaster.unknown`, `planner.unknown`, and those of bundles. */
export async function openEpisodeModels(options: EpisodeModelOptions): Promise<EpisodeModels> {
  const forecaster = await openForecaster(options);
  try {
    const planner = await openPlanner(options);
    return {
      forecaster: forecaster.make,
      planner: planner.planner,
      close: async () => {
        await forecaster.close();
        await planner.close();
      },
    };
  } catch (error) {
    await forecaster.close();
    throw error;
  }
}

async function openForecaster(options: EpisodeModelOptions): Promise<{
  readonly make: (truth: EpisodeTruth) => Promise<Forecaster>;
  readonly close: () => Promise<void>;
}> {
  const { arm, forecaster: name, steps } = options;
  const one = (forecaster: Forecaster): (() => Promise<Forecaster>) => {
    return () => Promise.resolve(forecaster);
  };
  switch (name) {
    case 'recorded':
      return {
        make: async ({ scene, now }) =>
          new ExpertForecaster(await expertMotion(arm, scene, MODEL_STEP_S), now, {
            horizon: steps,
            historySize: HISTORY,
          }),
        close: NOTHING_OPEN,
      };
    case 'static':
      return { make: one(new StaticForecaster(steps)), close: NOTHING_OPEN };
    case 'extrapolate':
      return { make: one(new ExtrapolateForecaster(steps, HISTORY)), close: NOTHING_OPEN };
    default: {
      if (!existsSync(name)) throw unknown('forecaster', name, 'recorded, static, extrapolate');
      const model = await Model.open(name, 'forecast', options.model);
      return {
        // Noise of its own for each episode, whichever were played before it.
        make: ({ scene: { seed } }) =>
          Promise.resolve(modelForecaster(model, { ...options, seed: options.seed + seed }, HISTORY).forecaster),
        close: () => model.close(),
      };
    }
  }
}

async function openPlanner({ planner: name, model: modelOptions, policyCameras }: EpisodeModelOptions): Promise<{
  readonly planner: ClosedLoopOptions['planner'];
  readonly close: () => Promise<void>;
}> {
  if (name === 'rigid') return { planner: 'rigid', close: NOTHING_OPEN };
  if (!existsSync(name)) throw unknown('planner', name, 'rigid');
  const model = await Model.open(name, 'policy', modelOptions);
  return {
    planner: {
      policy: new ActionExpertPolicy(new PolicyModel(model)),
      input: model.bundle.description.policy!,
      cameras: new Map(policyCameras),
    },
    close: () => model.close(),
  };
}

function unknown(what: 'forecaster' | 'planner', name: string, words: string): ConfigurationError {
  return new ConfigurationError({
    code: `${what}.unknown`,
    message: `there is no ${what} "${name}"`,
    remedy: `give one of ${words}, or the folder of a model bundle`,
  });
}
