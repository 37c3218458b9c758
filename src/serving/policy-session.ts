import type { ActionChunk } from '../core/action-chunk.js';
import type { RgbImage } from '../core/images.js';
import { normalNumbers, seededRandom } from '../core/random.js';
import { referenceCommand } from '../execution/reference-command.js';
import type { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import type { MessageMap, MessageValue } from './message-value.js';
import { NumpyArray } from './numpy-array.js';
import { readObservation, type Observation } from './observation.js';
import type { Inferred, PreparedQuery, ServedSession } from './served-session.js';

export interface PolicySessionOptions {
  /** The policy's, in the order of its images. */
  readonly cameras: readonly string[];
  /** Observations in a window, and queries between them. */
  readonly observationSteps: number;
  readonly observationStepDelta: number;
  /** Steps of a chunk that are answered before the next one is inferred. */
  readonly executedSteps: number;
  readonly actions: 'joint_pos' | 'joint_pos_rel';
  /** Furthest that a joint of an answer may be from where the client measured it, radians; null leaves it as it is. */
  readonly maxDeltaRad: number | null;
  /** Of the noise of a client's chunks: every client that begins anew is answered the same. */
  readonly seed: number;
}

/**
 * MolmoBot's policy as it is served: the first observation infers a chunk, the next ones are answered from it, and after so many steps another one is
 * inferred. A client that asks for whole chunks is given them as they are; nothing of it is kept then.
 */
export class PolicySession implements ServedSession {
  readonly #policy: ActionExpertPolicy;
  readonly #options: PolicySessionOptions;
  readonly #random: () => number;
  /** Pictures of past queries as far as the window reaches back, the newest last. */
  readonly #history: (readonly RgbImage[])[] = [];
  #chunk: ActionChunk | null = null;
  #index = 0;

  constructor(policy: ActionExpertPolicy, options: PolicySessionOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  observe(message: MessageValue): PreparedQuery {
    const { cameras } = this.#options;
    const observation = readObservation(message, cameras, this.#policy.network.stateSize - 1);
    const { chunk, pictures } = observation;
    if (chunk) return { needsPolicy: true, infer: (signal) => this.#wholeChunk(observation, chunk.noise, signal) };
    this.#remember(pictures.map((of) => of.at(-1)!));
    return { needsPolicy: this.#isDue, infer: (signal) => this.#step(observation, signal) };
  }

  async #wholeChunk(observation: Observation, noise: Float32Array | null, signal: AbortSignal): Promise<Inferred> {
    const chunk = await this.#plan(observation, observation.pictures.flat(), noise, signal);
    return { toAnswer: () => new Map([['chunk', matrix(chunk.steps)]]) };
  }

  async #step(observation: Observation, signal: AbortSignal): Promise<Inferred> {
    const { actions, maxDeltaRad } = this.#options;
    if (this.#isDue) {
      this.#chunk = await this.#plan(observation, this.#window(), null, signal);
      this.#index = 0;
    }
    const action = this.#chunk!.steps[this.#index++]!;
    return {
      toAnswer: () => {
        const { arm, gripper } = referenceCommand(action, observation.arm, { actions, maxDeltaRad });
        return new Map([
          ['arm', NumpyArray.float32(arm)],
          ['gripper', NumpyArray.float32([gripper])],
        ]);
      },
    };
  }

  /** Whether another chunk has to be inferred. */
  get #isDue(): boolean {
    return !this.#chunk || this.#index >= Math.min(this.#options.executedSteps, this.#chunk.steps.length);
  }

  async #plan(
    { task, arm, gripper }: Observation,
    images: readonly RgbImage[],
    noise: Float32Array | null,
    signal: AbortSignal,
  ): Promise<ActionChunk> {
    const result = await this.#policy.plan(
      { stamp: 0n, images, instruction: task, state: [...arm, gripper] },
      noise ?? normalNumbers(this.#policy.noiseLength, this.#random),
      signal,
    );
    return result.chunk;
  }

  #remember(pictures: readonly RgbImage[]): void {
    const { observationSteps, observationStepDelta } = this.#options;
    this.#history.push(pictures);
    if (this.#history.length > (observationSteps - 1) * observationStepDelta + 1) this.#history.shift();
  }

  /** Each camera's pictures from the oldest to the newest. Early in an episode there are fewer, as in the policy's training. */
  #window(): readonly RgbImage[] {
    const { observationSteps, observationStepDelta, cameras } = this.#options;
    const moments = Array.from({ length: observationSteps }, (_, k) =>
      this.#history.at(-1 - (observationSteps - 1 - k) * observationStepDelta),
    );
    return cameras.flatMap((_, c) => moments.flatMap((pictures) => (pictures ? [pictures[c]!] : [])));
  }
}

function matrix(steps: readonly (readonly number[])[]): NumpyArray {
  return NumpyArray.float32(steps.flat(), [steps.length, steps[0]?.length ?? 0]);
}

/** What clients are told first: what the published servers say, and what this one can do besides. */
export function policyMetadata(
  name: string,
  { policy, options }: { readonly policy: ActionExpertPolicy; readonly options: PolicySessionOptions },
  gripper: { readonly openWidthM: number; readonly closedState: number; readonly closedCommand: number },
): MessageMap {
  const { horizon, actionSize, stateSize, stepS } = policy.network;
  return new Map<string, MessageValue>([
    ['model_name', name],
    ['local_path', null],
    ['s3-path', null],
    ['hf_repo', null],
    ['cameras', [...options.cameras]],
    ['action_space', options.actions],
    [
      'chunk',
      new Map<string, MessageValue>([
        ['steps', horizon],
        ['executed_steps', options.executedSteps],
        ['action_size', actionSize],
        ['state_size', stateSize],
        ['step_s', stepS],
        ['observation_steps', options.observationSteps],
        ['observation_step_delta', options.observationStepDelta],
      ]),
    ],
    ['gripper', new Map<string, MessageValue>(Object.entries(gripper))],
  ]);
}
