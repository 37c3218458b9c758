import type { ActionChunk } from '../core/action-chunk.js';
import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import type { Nanoseconds } from '../core/time.js';
import { normalize, unnormalize, type Normalization } from './normalization.js';

/** What a policy looks at: pictures in the order of its cameras, each camera's from the oldest to the newest. */
export interface PolicyObservation {
  readonly stamp: Nanoseconds;
  readonly images: readonly RgbImage[];
  readonly instruction: string;
  /** Arm joints, radians, then the gripper's joint. */
  readonly state: readonly number[];
}

/** The network behind a policy. */
export interface PolicyNetwork {
  readonly stateSize: number;
  readonly actionSize: number;
  readonly horizon: number;
  readonly stepS: number;
  readonly state: Normalization;
  readonly action: Normalization;
  /** Normalised in, normalised out: actions row-major [horizon, actionSize]. */
  act(
    images: readonly RgbImage[],
    instruction: string,
    state: Float32Array,
    noise: Float32Array,
    signal?: AbortSignal,
  ): Promise<NetworkActions>;
}

export interface NetworkActions {
  readonly actions: Float32Array;
  /** Token ids that the network read. */
  readonly inputIds: readonly number[];
  /** Milliseconds, by name. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface PolicyResult {
  readonly chunk: ActionChunk;
  /** Row-major [horizon, actionSize]. */
  readonly normalized: Float32Array;
  readonly inputIds: readonly number[];
  readonly timings: Readonly<Record<string, number>>;
}

/** MolmoBot's policy: state normalised in, chunk of actions unnormalised out. */
export class ActionExpertPolicy {
  readonly name = 'action-expert';
  readonly network: PolicyNetwork;

  constructor(network: PolicyNetwork) {
    this.network = network;
  }

  /** Values of the noise that a chunk starts from, [horizon, actionSize]. */
  get noiseLength(): number {
    return this.network.horizon * this.network.actionSize;
  }

  /**
   * @param noise standard normal numbers, row-major [horizon, actionSize]; the same noise gives the same chunk.
   * Rejects with InputError `policy.state`, `policy.noise`, `policy.actions`, and the network's errors.
   */
  async plan(observation: PolicyObservation, noise: Float32Array, signal?: AbortSignal): Promise<PolicyResult> {
    const { stateSize, actionSize, horizon, stepS, state, action } = this.network;
    checkNumbers('state', observation.state, stateSize, 'arm joints in order, then the gripper');
    checkNumbers('noise', noise, this.noiseLength, `${horizon} steps of ${actionSize} values`);
    const start = performance.now();
    const { actions, inputIds, timings } = await this.network.act(
      observation.images,
      observation.instruction,
      normalize(observation.state, state),
      noise,
      signal,
    );
    if (actions.length !== this.noiseLength) {
      throw new InputError({
        code: 'policy.actions',
        message: `the policy answered ${actions.length} values instead of ${horizon} steps of ${actionSize}`,
        remedy: 'nothing is sent to the robot; build the bundle again',
      });
    }
    const bad = actions.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new InputError({
        code: 'policy.actions',
        message: `the policy answered ${actions[bad]!} for value ${bad % actionSize} of step ${Math.floor(bad / actionSize)}`,
        remedy: 'nothing is sent to the robot; check the bundle with molmo-motion parity, or build it as fp32',
      });
    }
    const steps = Array.from({ length: horizon }, (_, k) => [
      ...unnormalize(actions.subarray(k * actionSize, (k + 1) * actionSize), action),
    ]);
    return {
      chunk: { planner: this.name, stamp: observation.stamp, stepS, instruction: observation.instruction, steps },
      normalized: actions,
      inputIds,
      timings: { ...timings, total: performance.now() - start },
    };
  }
}

function checkNumbers(what: 'state' | 'noise', values: ArrayLike<number>, size: number, layout: string): void {
  const bad = Array.from(values).find((value) => !Number.isFinite(value));
  if (values.length === size && bad === undefined) return;
  throw new InputError({
    code: `policy.${what}`,
    message: `the ${what} has ${bad === undefined ? `${values.length} values` : `the value ${bad}`}, but this policy takes ${size} finite ones`,
    remedy: `give ${layout}`,
  });
}
