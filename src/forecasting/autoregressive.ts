import { checkForecast, type AnswerTokens, type Decoding, type Forecast } from '../core/forecast.js';
import type { RgbImage } from '../core/images.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from './forecaster.js';
import { anchorOf, forecastPrompt } from './prompt.js';
import { parseTracks, trackPositions, UnparsableAnswerError, type TrackFrames } from './track-grammar.js';

/** A model that reads pictures and text, and answers in text. */
export interface TextModel {
  /** Most pictures that it takes. */
  readonly maxImages: number;
  /** Greedy; what a person worded may hold no special token. */
  answer(
    images: readonly RgbImage[],
    question: string,
    maxNewTokens: number,
    signal?: AbortSignal,
  ): Promise<TextAnswer>;
}

export interface TextAnswer {
  readonly text: string;
  readonly tokens: Required<AnswerTokens>;
  readonly decoding: Decoding;
}

/** Tokens that the published code allows for each future step. */
export const TOKENS_PER_STEP = 160;

/** MolmoMotion's autoregressive forecaster: the point history as text in, the point future as text out. */
export class AutoregressiveForecaster implements Forecaster {
  readonly name = 'molmo-motion';
  readonly horizon: number;
  readonly historySize: number;
  readonly #model: TextModel;
  readonly #maxNewTokens: number;

  /** @param maxNewTokens 160 for each step of the horizon when left out. */
  constructor(model: TextModel, horizon: number, historySize: number, maxNewTokens = TOKENS_PER_STEP * horizon) {
    this.#model = model;
    this.horizon = horizon;
    this.historySize = historySize;
    this.#maxNewTokens = maxNewTokens;
  }

  /** Rejects with UnparsableAnswerError where the answer holds no tracks, InputError `prompt.*`, and the model's errors. */
  async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<Forecast> {
    const header = forecastHeader(request, this.name);
    const history = request.query.history.slice(-this.historySize);
    const question = forecastPrompt({ caption: request.instruction, history, horizon: this.horizon });
    const images = await Promise.all(request.window.slice(-this.historySize).map((frame) => frame.color()));
    const { text, tokens, decoding } = await this.#model.answer(images, question, this.#maxNewTokens, signal);
    const positions = trackPositions(parse(text, tokens), {
      points: header.start.length,
      history: history.length,
      horizon: this.horizon,
      anchor: anchorOf(history),
    });
    return checkForecast({ ...header, positions, rawText: text, tokens, decoding });
  }
}

/** The tokens go with an answer that cannot be read, so that it can be looked at. */
function parse(text: string, tokens: AnswerTokens): TrackFrames {
  try {
    return parseTracks(text);
  } catch (error) {
    throw error instanceof UnparsableAnswerError ? new UnparsableAnswerError(text, tokens) : error;
  }
}
