import { InputError } from '../core/errors.js';
import type { AnswerTokens } from '../core/forecast.js';
import type { RgbImage } from '../core/images.js';
import type { Pixel } from '../core/vector.js';
import { parseTextPoints } from '../grounding/text-points.js';
import { videoPoints } from '../grounding/video-points.js';
import { groundedPoints, selectionsOf, type Selection } from './grounded-points.js';
import type { Model } from './model.js';
import { AnswerModel } from './networks.js';
import { frameLabel } from './sequence.js';

/** A point on a picture, or on a frame of a video. */
export interface NamedPoint {
  /** Place of the picture or frame among those that were given, from 1 on; null where the answer names a time at which no frame was shown. */
  readonly image: number | null;
  /** Of a video: seconds. */
  readonly timeS?: number;
  /** The object's number: in a video it names the same object in every frame. */
  readonly id: number;
  readonly pixel: Pixel;
}

export interface PointingAnswer {
  readonly points: readonly NamedPoint[];
  readonly text: string;
  readonly tokens: Required<AnswerTokens>;
  /** What grounding tokens chose, of a model that points with them. */
  readonly selections?: readonly Selection[];
  /** What each token of the answer chose, -1 of text, of a model that points with grounding tokens. */
  readonly choices?: readonly number[];
}

export interface PointingQuestion {
  readonly images: readonly RgbImage[];
  readonly prompt: string;
  readonly maxNewTokens: number;
  /** Seconds; they make the pictures the frames of one video. */
  readonly times?: readonly number[] | undefined;
}

/** A bundle that says where something is: in text (Molmo2), or with grounding tokens (MolmoPoint). */
export class PointingModel {
  readonly network: AnswerModel;

  constructor(model: Model) {
    this.network = new AnswerModel(model);
  }

  /** An answer without points is no error: the object may not be there. Rejects with InputError `prompt.*`, `input.*`. */
  async point(question: PointingQuestion, signal?: AbortSignal): Promise<PointingAnswer> {
    const { images, prompt, maxNewTokens, times } = question;
    const { tokenizer, description } = this.network.model.bundle;
    const { groundingTokens } = description;
    if (prompt.trim() === '') {
      throw new InputError({
        code: 'prompt.empty',
        message: 'the prompt is empty: it names nothing to point at',
        remedy: 'say what to point at, such as "Point to the mug"',
      });
    }
    if (times && !groundingTokens) checkLabels(times);
    const { text, tokens } = await this.network.answer(images, prompt, maxNewTokens, signal, times);
    if (!groundingTokens) return { points: textPoints(text, question), text, tokens };
    const { outputs, sequence } = this.network.lastRun!;
    const choices = [...(outputs['choices']!.data as BigInt64Array)].map(Number);
    const answer = { tokens: tokens.answer, choices };
    const points = groundedPoints(answer, groundingTokens, sequence, images, (part) => tokenizer.decode(part)).map(
      ({ image, id, pixel }): NamedPoint => ({ image: image + 1, ...(times && { timeS: times[image]! }), id, pixel }),
    );
    const selections = selectionsOf(answer, groundingTokens).map(({ imageToken, slot, cell }) => ({
      imageToken,
      slot,
      cell,
    }));
    return { points, text, tokens, selections, choices };
  }
}

function textPoints(text: string, { images, times }: PointingQuestion): NamedPoint[] {
  if (!times) {
    return parseTextPoints(text, (frame) => images[frame - 1]).map(({ frame, id, pixel }) => ({
      image: frame,
      id,
      pixel,
    }));
  }
  const labels = times.map(frameLabel);
  return videoPoints(parseTextPoints(text, () => images[0])).map(({ frame, id, pixel }) => {
    const shown = labels.indexOf(frame.toFixed(1));
    return { image: shown < 0 ? null : shown + 1, timeS: times[shown] ?? frame, id, pixel };
  });
}

/** A model that answers in text writes times with one decimal. @throws InputError `input.times` where two frames would have the same time. */
function checkLabels(times: readonly number[]): void {
  const same = times.findIndex((time, i) => i > 0 && frameLabel(time) === frameLabel(times[i - 1]!));
  if (same < 0) return;
  throw new InputError({
    code: 'input.times',
    message: `frames ${same} and ${same + 1} are both shown as ${frameLabel(times[same]!)} s, so that an answer could mean either`,
    remedy: 'give frames that are at least 0.1 s apart; the published models saw two frames a second',
  });
}
