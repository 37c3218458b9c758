import { CancelledError, InputError, RetryableError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import type { CameraFrame, Observation } from '../core/observation.js';
import { liftedPoints, type QueryPoints } from '../core/query-points.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import type { GroundingStage } from './grounding-stage.js';
import type { Latencies } from './latencies.js';
import type { Stage } from './refusals.js';

/** What the stages look at, as it was when the newest picture came. */
export interface Moment extends Observation {
  /** Pictures of the camera that forecasts start from, oldest first. */
  readonly window: readonly CameraFrame[];
}

export interface ForecastSchedulerOptions {
  /** Least time between two forecasts, seconds of the stamps. */
  readonly periodS: number;
  /** Between history pictures, and between future steps, seconds. */
  readonly stepS: number;
  /** How long a picture waits for its transforms, seconds between stamps. */
  readonly transformWaitS: number;
}

/** Told of what comes out. */
export interface ForecastListener {
  /** The points that a forecast is asked for. */
  query(query: QueryPoints): void;
  forecast(moment: Moment, query: QueryPoints, forecast: Forecast): Promise<void>;
  /** No forecast came of a moment. @param query where the points were found before it failed. */
  failed(stage: Stage, error: unknown, query: QueryPoints | null): void;
}

/**
 * `idle`: the next picture is looked at. `forecasting`: a moment is grounded and forecast, and pictures that come meanwhile are not looked at.
 * `awaiting-transforms`: the moment's transforms have not come yet, and it is tried again with each that comes.
 */
type State =
  | { readonly name: 'idle' }
  | { readonly name: 'forecasting'; readonly done: Promise<void> }
  | { readonly name: 'awaiting-transforms'; readonly moment: Moment; readonly reason: RetryableError };

const IDLE: State = { name: 'idle' };

/** Decides at which pictures a forecast is made, one at a time, and has it made. */
export class ForecastScheduler {
  readonly counts = {
    windows: 0,
    incompleteWindows: 0,
    queries: 0,
    forecasts: 0,
    decodingPasses: 0,
    acceptedTokens: 0,
  };
  readonly #grounding: GroundingStage;
  readonly #forecaster: Forecaster;
  readonly #listener: ForecastListener;
  readonly #latencies: Latencies;
  readonly #abort = new AbortController();
  #options: ForecastSchedulerOptions;
  #state: State = IDLE;
  #lastForecast: Nanoseconds | null = null;
  /** Grows with every message of transforms. */
  #transformsVersion = 0;
  /** Grows with every jump back of the clock: what was begun before belongs to another run. */
  #epoch = 0;

  constructor(
    options: ForecastSchedulerOptions,
    grounding: GroundingStage,
    forecaster: Forecaster,
    listener: ForecastListener,
    latencies: Latencies,
  ) {
    this.#options = options;
    this.#grounding = grounding;
    this.#forecaster = forecaster;
    this.#listener = listener;
    this.#latencies = latencies;
  }

  get state(): State['name'] {
    return this.#state.name;
  }

  /** Seconds of the stamps. */
  set periodS(periodS: number) {
    this.#options = { ...this.#options, periodS };
  }

  /** A picture of the camera that forecasts start from. @param momentNow null while the camera has too few pictures. */
  frame({ stamp }: CameraFrame, momentNow: () => Moment | null): void {
    const { periodS, transformWaitS } = this.#options;
    if (this.#state.name === 'forecasting') return;
    if (this.#lastForecast !== null && stamp - this.#lastForecast < fromSeconds(periodS)) return;
    if (this.#state.name === 'awaiting-transforms') {
      if (stamp - this.#state.moment.stamp <= fromSeconds(transformWaitS)) return;
      this.#giveUpWaiting();
    }
    const moment = momentNow();
    if (!moment) {
      this.counts.incompleteWindows++;
      return;
    }
    this.counts.windows++;
    this.#begin(moment);
  }

  transformsChanged(): void {
    this.#transformsVersion++;
    this.#tryAgain();
  }

  /** A promise while a forecast is being made. */
  settle(): Promise<void> | undefined {
    return this.#state.name === 'forecasting' ? this.#state.done : undefined;
  }

  /** At the end of a stream: what still waits for transforms is refused. */
  flush(): void {
    this.#giveUpWaiting();
  }

  /** After the clock jumped back. */
  clear(): void {
    this.#epoch++;
    this.#lastForecast = null;
    if (this.#state.name === 'awaiting-transforms') this.#state = IDLE;
  }

  /** A forecast that is under way is abandoned. */
  close(): void {
    this.#abort.abort();
    if (this.#state.name === 'awaiting-transforms') this.#state = IDLE;
  }

  #begin(moment: Moment): void {
    const known = this.#transformsVersion;
    const epoch = this.#epoch;
    const done = this.#forecast(moment, epoch).then((reason) => {
      this.#state = reason && epoch === this.#epoch ? { name: 'awaiting-transforms', moment, reason } : IDLE;
      // Transforms that came meanwhile may be the ones that it waits for.
      if (this.#transformsVersion !== known) this.#tryAgain();
    });
    this.#state = { name: 'forecasting', done };
  }

  #tryAgain(): void {
    if (this.#state.name === 'awaiting-transforms') this.#begin(this.#state.moment);
  }

  #giveUpWaiting(): void {
    if (this.#state.name !== 'awaiting-transforms') return;
    const { reason } = this.#state;
    this.#state = IDLE;
    this.#listener.failed('grounding', reason, null);
  }

  /** @returns why it has to be tried again; null when it is over. */
  async #forecast(moment: Moment, epoch: number): Promise<RetryableError | null> {
    let stage: Stage = 'grounding';
    let query: QueryPoints | null = null;
    try {
      const start = performance.now();
      query = await this.#grounding.ground(moment.window, moment.instruction);
      if (!query || epoch !== this.#epoch) return null;
      this.#latencies.add('grounding', performance.now() - start);
      this.counts.queries++;
      this.#lastForecast = query.stamp;
      this.#listener.query(query);
      if (liftedPoints(query).length === 0) throw nothingLifted(query);
      stage = 'forecasting';
      const request = { query, instruction: moment.instruction, window: moment.window, stepS: this.#options.stepS };
      const forecast = await this.#latencies.time('forecasting', () =>
        this.#forecaster.forecast(request, this.#abort.signal),
      );
      if (epoch !== this.#epoch) return null;
      this.counts.forecasts++;
      this.counts.decodingPasses += forecast.decoding?.passes ?? 0;
      this.counts.acceptedTokens += forecast.decoding?.accepted ?? 0;
      stage = 'visualization';
      await this.#listener.forecast(moment, query, forecast);
      return null;
    } catch (error) {
      if (error instanceof CancelledError) return null;
      if (error instanceof RetryableError && stage === 'grounding') return error;
      this.#listener.failed(stage, error, query);
      return null;
    }
  }
}

function nothingLifted(query: QueryPoints): InputError {
  return new InputError({
    code: 'grounding.no-point',
    message: `no point of the object could be lifted: ${query.points[0]?.refused ?? 'its mask is empty'}`,
    remedy: 'click another place on the object',
  });
}
