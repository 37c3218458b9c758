import type { Forecaster } from '../forecasting/forecaster.js';
import { AutoregressiveForecaster } from '../forecasting/autoregressive.js';
import { FlowMatchingForecaster } from '../forecasting/flow-matching.js';
import { Model, type ModelOptions, type ModelRun } from '../inference/model.js';
import type { PolicyInput } from '../inference/model-input.js';
import { AnswerModel, FlowModel, PolicyModel } from '../inference/networks.js';
import { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import type { NodeConfig } from './config/node-config.js';

/** A policy that is ready to be asked. */
export interface OpenPolicy {
  readonly policy: ActionExpertPolicy;
  /** What its bundle says about its input and its answer. */
  readonly input: Pick<
    PolicyInput,
    'cameras' | 'observationSteps' | 'observationStepDelta' | 'executedSteps' | 'actions' | 'gripper'
  >;
}

export interface OpenForecaster {
  readonly forecaster: Forecaster;
  /** Seconds between the steps that it was trained to answer; null where it answers at whatever step it is asked for. */
  readonly stepS: number | null;
  /** The last run of its model; null where it has none. */
  readonly lastRun: () => ModelRun | null;
}

export interface ForecastModelOptions {
  /** Future steps that are asked for. */
  readonly steps: number;
  /** Of the noise that a flow-matching model starts from. */
  readonly seed: number;
  /** Longest answer of a model that answers in tokens. */
  readonly maxNewTokens: number | null;
  /** Most tokens that such a model is guessed at in a pass. */
  readonly draft: number | 'off';
  /** Pictures of the history that there are at most; a model that takes fewer looks at the newest. */
  readonly history: number;
}

/** Where models come from. They stay open until the source is closed, however many assemblies use them. */
export interface ModelSource {
  /** Rejects with the errors of bundles and workers. */
  forecaster(folder: string, options: ForecastModelOptions): Promise<OpenForecaster>;
  policy(folder: string): Promise<OpenPolicy>;
  close(): Promise<void>;
}

/** Bundles, each opened once, in a thread of its own. */
export class BundleModels implements ModelSource {
  readonly #options: ModelOptions;
  readonly #open = new Map<string, Promise<Model>>();

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  async forecaster(
    folder: string,
    { steps, seed, maxNewTokens, draft, history }: ForecastModelOptions,
  ): Promise<OpenForecaster> {
    const model = await this.#model(folder, 'forecast');
    const { architecture, stepS } = model.bundle.description;
    if (architecture.trajectoryExpert) {
      const network = new FlowModel(model);
      return { forecaster: new FlowMatchingForecaster(network, seed), stepS, lastRun: () => network.lastRun };
    }
    const network = new AnswerModel(model, draft === 'off' ? 0 : draft);
    // A clip may have fewer pictures than the model could take; the published models were trained with both.
    const pictures = Math.min(network.maxImages, history);
    return {
      forecaster: new AutoregressiveForecaster(network, steps, pictures, maxNewTokens ?? undefined),
      stepS,
      lastRun: () => network.lastRun,
    };
  }

  async policy(folder: string): Promise<OpenPolicy> {
    return openPolicy(await this.#model(folder, 'policy')).open;
  }

  /** A model that could not be opened was reported when it was asked for. */
  async close(): Promise<void> {
    for (const { value } of (await Promise.allSettled(this.#open.values())).flatMap((one) =>
      one.status === 'fulfilled' ? [one] : [],
    ))
      await value.close();
    this.#open.clear();
  }

  #model(folder: string, task: 'forecast' | 'policy'): Promise<Model> {
    const key = `${task} ${folder}`;
    let model = this.#open.get(key);
    if (!model) this.#open.set(key, (model = Model.open(folder, task, this.#options)));
    return model;
  }
}

/** The bundles of a configuration. @param trace whether runs keep their intermediate values. */
export function modelsOf({ inference }: Pick<NodeConfig, 'inference'>, trace = false): BundleModels {
  const { provider, threads, timeout_ms: timeoutMs } = inference;
  return new BundleModels({
    provider,
    ...(threads !== 'auto' && { threads }),
    ...(timeoutMs !== null && { timeoutMs }),
    trace,
  });
}

/** A policy bundle as a policy, with the network behind it. */
export function openPolicy(model: Model): { readonly open: OpenPolicy; readonly network: PolicyModel } {
  const network = new PolicyModel(model);
  return { network, open: { policy: new ActionExpertPolicy(network), input: model.bundle.description.policy! } };
}
