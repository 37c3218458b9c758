import { InputError } from '../core/errors.js';
import { checkForecast, type Forecast } from '../core/forecast.js';
import type { RgbImage } from '../core/images.js';
import { normalNumbers, seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from './forecaster.js';
import { anchorOf, forecastPrompt } from './prompt.js';

/** A network that moves noise to trajectories. Arrays are row-major, metres relative to the anchor. */
export interface TrajectoryNetwork {
  readonly points: number;
  readonly history: number;
  readonly horizon: number;
  /** @param history [points, history, 3]. @param noise [points, horizon, 3]; the answer has its shape. */
  integrate(
    images: readonly RgbImage[],
    question: string,
    history: Float32Array,
    noise: Float32Array,
    signal?: AbortSignal,
  ): Promise<{ readonly trajectory: Float32Array; readonly inputIds: readonly number[] }>;
}

/** MolmoMotion's flow-matching forecaster (paper, D.1): point histories as numbers, one flow for all future positions. */
export class FlowMatchingForecaster implements Forecaster {
  readonly name = 'molmo-motion-flow';
  readonly #network: TrajectoryNetwork;
  readonly #random: () => number;

  /** @param seed of the noise that flows begin with. */
  constructor(network: TrajectoryNetwork, seed: number) {
    this.#network = network;
    this.#random = seededRandom(seed);
  }

  get horizon(): number {
    return this.#network.horizon;
  }

  get historySize(): number {
    return this.#network.history;
  }

  /** Rejects with InputError `forecast.points` where the points are not as many as the network takes, or were not all seen. */
  async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<Forecast> {
    const header = forecastHeader(request, this.name);
    const { points, horizon } = this.#network;
    const history = request.query.history.slice(-this.historySize);
    const anchor = anchorOf(history);
    if (header.start.length !== points || history.length !== this.historySize) {
      throw new InputError({
        code: 'forecast.points',
        message: `${header.start.length} points over ${history.length} frames were given, but this model takes ${points} over ${this.historySize}`,
        remedy: `query ${points} points`,
      });
    }
    const past = new Float32Array(points * history.length * 3);
    history.forEach((frame, h) => {
      frame.forEach((position, p) => {
        if (!position) {
          throw new InputError({
            code: 'forecast.points',
            message: `point ${p + 1} was not seen in history frame ${h}, and this model takes no gaps`,
            remedy: 'query points that are seen in all history frames',
          });
        }
        position.forEach((value, axis) => {
          past[(p * history.length + h) * 3 + axis] = Math.fround(value) - Math.fround(anchor[axis]!);
        });
      });
    });
    const images = await Promise.all(request.window.slice(-this.historySize).map((frame) => frame.color()));
    const question = forecastPrompt({ caption: request.instruction, history, horizon });
    const noise = normalNumbers(points * horizon * 3, this.#random);
    const { trajectory, inputIds } = await this.#network.integrate(images, question, past, noise, signal);
    const positions = header.start.map((_, p) =>
      Array.from({ length: horizon }, (_f, f): Vector3 => {
        const at = (axis: number): number => trajectory[(p * horizon + f) * 3 + axis]! + anchor[axis]!;
        return [at(0), at(1), at(2)];
      }),
    );
    return checkForecast({ ...header, positions, tokens: { inputIds } });
  }
}
