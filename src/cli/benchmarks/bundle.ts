import type { Decoding } from '../../core/forecast.js';
import type { RgbImage } from '../../core/images.js';
import { normalNumbers, seededRandom } from '../../core/random.js';
import { percentile } from '../../core/statistics.js';
import type { TextAnswer } from '../../forecasting/autoregressive.js';
import { openBundle, type BundleDescription } from '../../inference/bundle.js';
import { InferenceWorker } from '../../inference/inference-worker.js';
import { Model, type ModelOptions } from '../../inference/model.js';
import { AnswerModel, FlowModel, PolicyModel } from '../../inference/networks.js';
import { matrixProduct } from '../../inference/provider-check.js';
import { ActionExpertPolicy } from '../../planning/action-expert-policy.js';

export interface BundleFigures {
  readonly task: string;
  readonly type: string;
  readonly provider: string;
  readonly load_ms: number;
  /** The first query, on blank pictures, which also packs the weights. */
  readonly first_ms: number;
  /** From pictures in memory to the decision in the units of the robot, or the text. */
  readonly warm_ms: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly queries: number;
  /** Of the last answer; null for what does not answer in tokens. */
  readonly decoding: DecodingFigures | null;
  readonly peak_rss_mb: number;
  /** Lateness of a 15 Hz timer on the main thread while the worker ran back to back. */
  readonly timer_jitter_ms: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly ticks: number;
  };
  readonly calibration: { readonly matmul_1024_ms: number };
}

export interface DecodingFigures {
  readonly tokens: number;
  /** That of the prompt among them. */
  readonly passes: number;
  /** Tokens that were guessed rightly, and needed no pass of their own. */
  readonly accepted_tokens: number;
  /** Median time of an answer of one token: pictures and prompt. */
  readonly prompt_ms: number;
  /** Of each pass behind the prompt; null where the answer ended with its first token. */
  readonly ms_per_pass: number | null;
}

export interface BundleBenchOptions {
  readonly folder: string;
  readonly model: ModelOptions;
  readonly queries: number;
  readonly maxNewTokens: number;
  /** Tokens that are guessed in a pass. */
  readonly draft: number | 'off';
}

const IMAGE_SIZE = { width: 640, height: 360 };
/** About as long as the longest tasks of the published data. */
const INSTRUCTION = 'Pick up the salt shaker and place it in or on the rustic stone bowl with bird spout';
const CALIBRATION_SIZE = 1024;
const CALIBRATION_RUNS = 30;
const WARM_UP = 5;
/** Answers of one token, whose time is that of the prompt. */
const PROMPTS = 5;
const SEED = 1;

/** Times a bundle as its user meets it, and the machine beside it. */
export async function benchBundle({
  folder,
  model: options,
  queries,
  maxNewTokens,
  draft,
}: BundleBenchOptions): Promise<BundleFigures> {
  const { description } = await openBundle(folder);
  const before = await calibrate(options);
  const model = await Model.open(folder, description.task, options);
  const times: number[] = [];
  const jitter = new TimerJitter();
  const prompts: number[] = [];
  let decoding: Decoding | null = null;
  let tokens = 0;
  try {
    const ask = queryOf(model, description, draft);
    for (let i = 0; i < WARM_UP; i++) await ask(maxNewTokens);
    jitter.start();
    for (let i = 0; i < queries; i++) {
      const start = performance.now();
      const answer = await ask(maxNewTokens);
      times.push(performance.now() - start);
      if (!answer) continue;
      decoding = answer.decoding;
      tokens = answer.tokens.answer.length;
    }
    jitter.stop();
    for (let i = 0; decoding && i < PROMPTS; i++) prompts.push((await ask(1))!.decoding.ms);
  } finally {
    await model.close();
  }
  // The machine is shared: the better of two calibrations is what it can do.
  const calibration = Math.min(before, await calibrate(options));
  return {
    task: description.task,
    type: description.type,
    provider: options.provider,
    load_ms: model.loadMs,
    first_ms: model.firstRunMs,
    warm_ms: { p50: percentile(times, 50), p95: percentile(times, 95), p99: percentile(times, 99) },
    queries,
    decoding: decoding && decodingFigures(decoding, tokens, percentile(prompts, 50)),
    peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    timer_jitter_ms: jitter.summary(),
    calibration: { matmul_1024_ms: calibration },
  };
}

function decodingFigures({ passes, accepted, ms }: Decoding, tokens: number, promptMs: number): DecodingFigures {
  return {
    tokens,
    passes,
    accepted_tokens: accepted,
    prompt_ms: promptMs,
    ms_per_pass: passes > 1 ? (ms - promptMs) / (passes - 1) : null,
  };
}

/** One query of the bundle's task; resolves with its answer, where that is in tokens. */
function queryOf(
  model: Model,
  description: BundleDescription,
  draft: BundleBenchOptions['draft'],
): (maxNewTokens: number) => Promise<TextAnswer | null> {
  const { input, architecture } = description;
  const random = seededRandom(SEED);
  const images = Array.from({ length: input.kind === 'images' ? input.maxImages : input.maxFrames }, () =>
    noiseImage(random),
  );
  if (architecture.actionExpert) {
    const policy = new ActionExpertPolicy(new PolicyModel(model));
    const noise = normalNumbers(policy.noiseLength, random);
    const state = Array<number>(policy.network.stateSize).fill(0.1);
    return async () => {
      await policy.plan({ stamp: 0n, images, instruction: INSTRUCTION, state }, noise);
      return null;
    };
  }
  if (architecture.trajectoryExpert) {
    const network = new FlowModel(model);
    const { points, history, horizon } = architecture.trajectoryExpert;
    return async () => {
      // Both arrays are given away.
      await network.integrate(
        images,
        INSTRUCTION,
        new Float32Array(points * history * 3),
        normalNumbers(points * horizon * 3, random),
      );
      return null;
    };
  }
  const network = new AnswerModel(model, draft === 'off' ? 0 : draft);
  return (maxNewTokens) => network.answer(images, INSTRUCTION, maxNewTokens);
}

function noiseImage(random: () => number): RgbImage {
  const { width, height } = IMAGE_SIZE;
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random() * 256) };
}

/** Median time of a 1024x1024x1024 float32 product through the same runtime, provider and threads. */
async function calibrate({ provider, threads }: ModelOptions): Promise<number> {
  const worker = await InferenceWorker.start({
    task: 'calibration',
    graph: matrixProduct(CALIBRATION_SIZE),
    provider,
    ...(threads !== undefined && { threads }),
  });
  try {
    const times: number[] = [];
    for (let i = 0; i < CALIBRATION_RUNS; i++) {
      const operand = (): Float32Array => new Float32Array(CALIBRATION_SIZE * CALIBRATION_SIZE).fill(0.5);
      const dims = [CALIBRATION_SIZE, CALIBRATION_SIZE];
      const { ms } = await worker.run({
        a: { type: 'float32', dims, data: operand() },
        b: { type: 'float32', dims, data: operand() },
      });
      times.push(ms);
    }
    return percentile(times.slice(WARM_UP), 50);
  } finally {
    await worker.close();
  }
}

/** The control rate of the published policies. */
const TIMER_PERIOD_MS = 1000 / 15;

/** How late the ticks of a timer come, each against the time that it was due. */
class TimerJitter {
  readonly #late: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    let due = performance.now() + TIMER_PERIOD_MS;
    const tick = (): void => {
      const now = performance.now();
      this.#late.push(Math.max(0, now - due));
      due = Math.max(due + TIMER_PERIOD_MS, now);
      this.#timer = setTimeout(tick, due - performance.now());
    };
    this.#timer = setTimeout(tick, TIMER_PERIOD_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  summary(): BundleFigures['timer_jitter_ms'] {
    const late = this.#late;
    return { p50: percentile(late, 50), p99: percentile(late, 99), max: Math.max(0, ...late), ticks: late.length };
  }
}
