import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import type { TextAnswer, TextModel } from '../forecasting/autoregressive.js';
import type { TrajectoryNetwork } from '../forecasting/flow-matching.js';
import { chatText } from '../forecasting/prompt.js';
import type { NetworkActions, PolicyNetwork } from '../planning/action-expert-policy.js';
import type { Normalization } from '../planning/normalization.js';
import type { ActionExpertArchitecture, TrajectoryExpertArchitecture } from './architecture.js';
import type { PolicyInput } from './model-input.js';
import { floatValue, intValue, type Model, type ModelRun } from './model.js';

/** A bundle as the networks that the stages know. */

/** Runs and keeps what came out, for those who want to look at it. */
abstract class ModelNetwork {
  readonly model: Model;
  #lastRun: ModelRun | null = null;

  constructor(model: Model) {
    this.model = model;
  }

  /** All outputs of the last run; those of a tracing model include its intermediate values. */
  get lastRun(): ModelRun | null {
    return this.#lastRun;
  }

  protected async run(
    images: readonly RgbImage[],
    question: string,
    extra: Parameters<Model['run']>[2],
    signal: AbortSignal | undefined,
    times?: readonly number[],
  ): Promise<ModelRun> {
    const { tokenizer, description } = this.model.bundle;
    tokenizer.refuseSpecialTokens(question);
    this.#lastRun = await this.model.run(images, chatText(question, description.prompt.style), extra, signal, times);
    return this.#lastRun;
  }
}

export class PolicyModel extends ModelNetwork implements PolicyNetwork {
  readonly #expert: ActionExpertArchitecture;
  readonly #policy: PolicyInput;

  constructor(model: Model) {
    super(model);
    const { architecture, policy } = model.bundle.description;
    if (!architecture.actionExpert || !policy) throw incomplete(model, 'actionExpert and policy');
    this.#expert = architecture.actionExpert;
    this.#policy = policy;
  }

  get stateSize(): number {
    return this.#expert.stateSize;
  }

  get actionSize(): number {
    return this.#expert.actionSize;
  }

  get horizon(): number {
    return this.#expert.horizon;
  }

  get stepS(): number {
    return this.model.bundle.description.stepS;
  }

  get state(): Normalization {
    return this.#policy.state;
  }

  get action(): Normalization {
    return this.#policy.action;
  }

  async act(
    images: readonly RgbImage[],
    instruction: string,
    state: Float32Array,
    noise: Float32Array,
    signal?: AbortSignal,
  ): Promise<NetworkActions> {
    const extra = {
      state: floatValue(state, [1, this.stateSize]),
      // The caller keeps its noise: buffers that go to a worker are gone.
      noise: floatValue(noise.slice(), [1, this.horizon, this.actionSize]),
    };
    const { outputs, sequence, timings } = await this.run(images, instruction, () => extra, signal);
    return { actions: outputs['actions']!.data as Float32Array, inputIds: sequence.inputIds, timings };
  }
}

/** Guesses in a pass: with 8, the published forecasts need 3.6 times fewer passes; with 16, 3.9 times. */
export const DEFAULT_DRAFT = 8;

export class AnswerModel extends ModelNetwork implements TextModel {
  readonly #draft: number;

  /** @param draft most guesses in a pass, 0 for none; they never change the answer. A bundle without track tokens makes none. */
  constructor(model: Model, draft = DEFAULT_DRAFT) {
    super(model);
    this.#draft = draft;
  }

  get maxImages(): number {
    const { input } = this.model.bundle.description;
    return input.kind === 'images' ? input.maxImages : input.maxFrames;
  }

  /**
   * The answer is cut where the model's length ends. @param times in seconds make the pictures the frames of one video.
   * Rejects with InputError `prompt.*`, `input.*`.
   */
  async answer(
    images: readonly RgbImage[],
    question: string,
    maxNewTokens: number,
    signal?: AbortSignal,
    times?: readonly number[],
  ): Promise<TextAnswer> {
    const { tokenizer, description } = this.model.bundle;
    const { maxLength } = description.architecture.language;
    const { outputs, sequence, timings } = await this.run(
      images,
      question,
      ({ inputIds }) => ({
        max_new_tokens: intValue([Math.min(maxNewTokens, maxLength - inputIds.length)], []),
        ...(description.trackTokens && { draft: intValue([this.#draft], []) }),
      }),
      signal,
      times,
    );
    const answer = [...(outputs['tokens']!.data as BigInt64Array)].map(Number);
    const text = tokenizer.decode(answer.at(-1) === description.tokens.eos ? answer.slice(0, -1) : answer);
    // Without drafting, every token has a pass of its own.
    const passes = outputs['passes'] ? Number(outputs['passes'].data[0]!) + 1 : answer.length;
    return {
      text,
      tokens: { inputIds: sequence.inputIds, answer },
      decoding: { passes, accepted: answer.length - passes, ms: timings.run },
    };
  }
}

export class FlowModel extends ModelNetwork implements TrajectoryNetwork {
  readonly #expert: TrajectoryExpertArchitecture;

  constructor(model: Model) {
    super(model);
    const expert = model.bundle.description.architecture.trajectoryExpert;
    if (!expert) throw incomplete(model, 'trajectoryExpert');
    this.#expert = expert;
  }

  get points(): number {
    return this.#expert.points;
  }

  get history(): number {
    return this.#expert.history;
  }

  get horizon(): number {
    return this.#expert.horizon;
  }

  async integrate(
    images: readonly RgbImage[],
    question: string,
    history: Float32Array,
    noise: Float32Array,
    signal?: AbortSignal,
  ): Promise<{ readonly trajectory: Float32Array; readonly inputIds: readonly number[] }> {
    const extra = {
      history: floatValue(history, [this.points, this.history, 3]),
      noise: floatValue(noise, [this.points, this.horizon, 3]),
    };
    const { outputs, sequence } = await this.run(images, question, () => extra, signal);
    return { trajectory: outputs['trajectory']!.data as Float32Array, inputIds: sequence.inputIds };
  }
}

function incomplete(model: Model, section: string): InputError {
  return new InputError({
    code: 'bundle.format',
    message: `${model.bundle.folder}/bundle.yaml has no ${section}`,
    remedy: 'build the bundle again',
  });
}
