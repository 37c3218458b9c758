import path from 'node:path';
import type { RgbImage } from '../core/images.js';
import { ConfigurationError } from '../core/errors.js';
import type { BundleDescription } from './bundle.js';
import { openBundle, verifyBundle, type Bundle } from './bundle.js';
import { InferenceWorker, type WorkerState } from './inference-worker.js';
import { checkProvider } from './provider-check.js';
import { layOutSequence, type Sequence } from './sequence.js';
import { checkFrames, frameInput, videoLayout } from './video-frames.js';
import type { SessionSettings, TensorValue, TensorValues } from './worker-messages.js';

export interface ModelOptions extends SessionSettings {
  /** Longest time of one run, milliseconds. */
  readonly timeoutMs?: number;
  /** Loads the graph that returns intermediate values too. */
  readonly trace?: boolean;
}

export interface ModelRun {
  readonly outputs: TensorValues;
  readonly sequence: Sequence;
  /** Milliseconds: laying out the prompt, and the run itself. */
  readonly timings: { readonly tokenize: number; readonly run: number };
}

/** A bundle, ready to be asked: verified, loaded in its own thread, and warmed up. */
export class Model {
  readonly bundle: Bundle;
  readonly firstRunMs: number;
  readonly #worker: InferenceWorker;

  private constructor(bundle: Bundle, worker: InferenceWorker, firstRunMs: number) {
    this.bundle = bundle;
    this.#worker = worker;
    this.firstRunMs = firstRunMs;
  }

  /**
   * @throws InputError `bundle.*`, `inference.*`; ConfigurationError `model.task` where the bundle is made for something else, `model.type` where
   * the provider cannot compute with its weights, `provider.*`.
   */
  static async open(folder: string, task: BundleDescription['task'], options: ModelOptions): Promise<Model> {
    const bundle = await openBundle(folder);
    const { description } = bundle;
    checkTask(folder, description, task);
    checkType(folder, description, options);
    await checkProvider(options.provider);
    await verifyBundle(bundle);
    const { trace, ...settings } = options;
    const graph = trace ? description.traceGraph : description.graph;
    const worker = await InferenceWorker.start({ ...settings, task, graph: path.join(folder, graph.file) });
    try {
      const model = new Model(bundle, worker, 0);
      const { timings } = await model.run([BLANK], '', () => blankInputs(description));
      return new Model(bundle, worker, timings.run);
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  get state(): WorkerState {
    return this.#worker.state;
  }

  get loadMs(): number {
    return this.#worker.loadMs;
  }

  /**
   * @param text of the chat, laid out; what people worded in it must have been checked. @param extra inputs of the task.
   * @param times in seconds make the pictures the frames of one video. Rejects with InputError `input.*` and the worker's errors.
   */
  async run(
    images: readonly RgbImage[],
    text: string,
    extra: (sequence: Sequence) => TensorValues,
    signal?: AbortSignal,
    times?: readonly number[],
  ): Promise<ModelRun> {
    const start = performance.now();
    const { description, tokenizer } = this.bundle;
    const { architecture, tokens } = description;
    const layout = times ? videoLayout(this.bundle.folder, description) : description.input;
    if (times) checkFrames(images, times);
    // An answer needs room for one token at least.
    const reserve = architecture.actionExpert || architecture.trajectoryExpert ? 0 : 1;
    const sequence = layOutSequence({ architecture, layout, tokens, times }, tokenizer, images, text, reserve);
    const asVideo = times !== undefined && description.input.kind === 'images';
    const inputs = {
      ...imageInputs(description, asVideo ? [] : images, sequence),
      ...(description.video && { frames: frameInput(asVideo ? images : []) }),
      ...sequenceInputs(sequence),
      ...extra(sequence),
    };
    const tokenize = performance.now() - start;
    const { outputs, ms } = await this.#worker.run(inputs, signal);
    return { outputs, sequence, timings: { tokenize, run: ms } };
  }

  endProfile(): Promise<void> {
    return this.#worker.endProfile();
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}

function checkTask(folder: string, description: BundleDescription, task: BundleDescription['task']): void {
  if (description.task === task) return;
  throw new ConfigurationError({
    code: 'model.task',
    message: `${folder} is a bundle for ${description.task}, not for ${task}`,
    remedy: `give a bundle that was built with --task ${task}`,
  });
}

function checkType(folder: string, { type }: BundleDescription, { provider }: ModelOptions): void {
  if (type !== 'bf16' || provider !== 'cpu') return;
  throw new ConfigurationError({
    code: 'model.type',
    message: `${folder} is built as bf16, which onnxruntime's CPU provider does not compute`,
    remedy: 'use --provider cuda, or build it with --dtype fp32',
  });
}

/** For the warm-up: memory is laid out, and weights are packed, in the first run. */
const BLANK: RgbImage = { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3) };

function blankInputs({
  architecture: { actionExpert, trajectoryExpert },
  trackTokens,
}: BundleDescription): TensorValues {
  const zeros = (...dims: number[]): TensorValue => floatValue(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  if (actionExpert) {
    return {
      state: zeros(1, actionExpert.stateSize),
      noise: zeros(1, actionExpert.horizon, actionExpert.actionSize),
    };
  }
  if (trajectoryExpert) {
    const { points, history, horizon } = trajectoryExpert;
    return { history: zeros(points, history, 3), noise: zeros(points, horizon, 3) };
  }
  return { max_new_tokens: intValue([1], []), ...(trackTokens && { draft: intValue([0], []) }) };
}

/** Pixels are copied once, into buffers that the worker takes over; a place without a picture is an image of no pixels. */
function imageInputs(description: BundleDescription, images: readonly RgbImage[], sequence: Sequence): TensorValues {
  const { input } = description;
  const places = input.kind === 'images' ? input.maxImages : input.maxFrames;
  const inputs: Record<string, TensorValue> = {};
  for (let k = 0; k < places; k++) {
    const image = images[sequence.imageOrder[k] ?? -1];
    inputs[`image_${k}`] = image
      ? { type: 'uint8', dims: [image.height, image.width, 3], data: Uint8Array.from(image.data) }
      : { type: 'uint8', dims: [0, 0, 3], data: new Uint8Array(0) };
    if (input.kind === 'images' && input.crops === 'overlap-and-resize-c2')
      inputs[`tiling_${k}`] = intValue(sequence.tilings[k] ?? [1, 1], [2]);
  }
  return inputs;
}

function sequenceInputs({ inputIds, tokenPooling, window }: Sequence): TensorValues {
  return {
    input_ids: intValue(inputIds, [1, inputIds.length]),
    token_pooling: intValue(tokenPooling, [tokenPooling.length / window, window]),
  };
}

/** Takes the array over. */
export function floatValue(data: Float32Array, dims: readonly number[]): TensorValue {
  return { type: 'float32', dims, data };
}

export function intValue(values: readonly number[], dims: readonly number[]): TensorValue {
  return { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}
