import { RetryableError } from '../core/errors.js';
import type { ModelSource } from '../assembly/model-source.js';
import { ActionExpertPolicy, type NetworkActions, type PolicyNetwork } from '../planning/action-expert-policy.js';
import type { FaultName } from './faults.js';

/** A policy that fails from some moment on. */
export class FaultyNetwork implements PolicyNetwork {
  readonly #inner: PolicyNetwork;
  readonly #isActive: (name: FaultName) => boolean;

  constructor(inner: PolicyNetwork, isActive: (name: FaultName) => boolean) {
    this.#inner = inner;
    this.#isActive = isActive;
  }

  get stateSize(): number {
    return this.#inner.stateSize;
  }
  get actionSize(): number {
    return this.#inner.actionSize;
  }
  get horizon(): number {
    return this.#inner.horizon;
  }
  get stepS(): number {
    return this.#inner.stepS;
  }
  get state(): PolicyNetwork['state'] {
    return this.#inner.state;
  }
  get action(): PolicyNetwork['action'] {
    return this.#inner.action;
  }

  async act(...args: Parameters<PolicyNetwork['act']>): Promise<NetworkActions> {
    if (this.#isActive('worker-death')) {
      throw new RetryableError({
        code: 'inference.died',
        message: 'the policy worker died: an injected fault',
        remedy: 'it is started again; look at the log of the system if it keeps dying',
      });
    }
    const result = await this.#inner.act(...args);
    if (this.#isActive('policy-nan'))
      return { ...result, actions: result.actions.map((x, i) => (i === 5 ? Number.NaN : x)) };
    if (this.#isActive('policy-short')) return { ...result, actions: result.actions.slice(0, -3) };
    return result;
  }
}

/** Models whose policies fail while a fault is active. */
export function faultyModels(models: ModelSource, isActive: (name: FaultName) => boolean): ModelSource {
  return {
    forecaster: (folder, options) => models.forecaster(folder, options),
    policy: async (folder) => {
      const { policy, input } = await models.policy(folder);
      return { input, policy: new ActionExpertPolicy(new FaultyNetwork(policy.network, isActive)) };
    },
    close: () => models.close(),
  };
}
