import { inverse, Matrix } from 'ml-matrix';
import { InputError } from '../core/errors.js';
import { isFiniteVector, type Vector3 } from '../core/vector.js';
import { formatTracks } from './track-grammar.js';

export interface PromptInput {
  /** What the object is to do, word for word. */
  readonly caption: string;
  /** `history[h][p]`, metres, oldest first, the last frame is t0; all in the camera frame of t0. Null where a point was not seen. */
  readonly history: readonly (readonly (Vector3 | null)[])[];
  /** Future steps asked for. */
  readonly horizon: number;
}

/**
 * `default` is the released prompt; `v1_match` an older wording that some training runs used. Both are in the published code.
 */
export type PromptStyle = 'default' | 'v1_match';

/**
 * The released MolmoMotion question. Points are relative to the anchor, point 1 at t0, in whole millimetres: float32 differences, widened,
 * times 1000, ties to even.
 * @throws InputError `prompt.history` for no points, rows of different length, a position that is not finite, or no anchor.
 */
export function forecastPrompt(input: PromptInput, style: PromptStyle = 'default'): string {
  const { caption, horizon, history } = input;
  const points = history[0]?.length ?? 0;
  const anchor = anchorOf(history);
  const frames = history
    .map((frame, h) => [h, relativeTo(anchor, frame)] as const)
    .filter(([, frame]) => frame.length > 0);
  return style === 'default'
    ? `Predict the future 3D point coordinates of ${points} points over ${horizon} timestamps, given action: "${caption}", and history 3d point coordinates: "${formatTracks(frames, '3d object history')}".`
    : `Predict the future 3D trajectories of ${points} points over ${horizon} timestamps, given action: ${caption}, and ${history.length} history frames:\n${formatTracks(frames, 'object points')}`;
}

/** Of the tracks in an answer to the released prompt. */
export const ANSWER_LABEL = '3d object trajectories';

/** The answer that training teaches: future frames that hold at least one visible point, timestamps from H on. */
export function trainingAnswer(
  history: readonly (readonly (Vector3 | null)[])[],
  future: readonly (readonly (Vector3 | null)[])[],
  style: PromptStyle = 'default',
): string {
  const anchor = anchorOf(history);
  const frames = future
    .map((frame, f) => [history.length + f, relativeTo(anchor, frame)] as const)
    .filter(([, frame]) => frame.length > 0);
  return formatTracks(frames, style === 'default' ? ANSWER_LABEL : 'object points');
}

/**
 * The question in the chat layout of Molmo2: the style's prefix, one user turn, the opening of the answer.
 * @param style null for the styles that are not written out, such as pointing.
 */
export function chatText(question: string, style: string | null): string {
  const styled = style === null ? question : question === '' ? `${style}:` : `${style}: ${question}`;
  return `<|im_start|>user\n${styled}<|im_end|>\n<|im_start|>assistant\n`;
}

/** Point 1 at t0. @throws InputError `prompt.history`. */
export function anchorOf(history: readonly (readonly (Vector3 | null)[])[]): Vector3 {
  const anchor = history.at(-1)?.[0];
  const ragged = history.some((frame) => frame.length !== history[0]!.length);
  const infinite = history.some((frame) => frame.some((p) => p !== null && !isFiniteVector(p)));
  if (!anchor || ragged || infinite) {
    throw new InputError({
      code: 'prompt.history',
      message: `a point history of ${history.length} frames ${!anchor ? 'has no first point at t0' : ragged ? 'has frames of different size' : 'has a position that is not finite'}`,
      remedy: 'give the same points in every frame, finite or null, the first of them visible at t0',
    });
  }
  return anchor;
}

function relativeTo(anchor: Vector3, frame: readonly (Vector3 | null)[]): (readonly [number, Vector3])[] {
  const delta = (value: number, origin: number): number => Math.fround(Math.fround(value) - Math.fround(origin));
  return frame.flatMap((p, i) =>
    p ? [[i + 1, [delta(p[0], anchor[0]), delta(p[1], anchor[1]), delta(p[2], anchor[2])]] as const] : [],
  );
}

/** World points into the camera frame of a camera-to-world pose (row-major 4x4), in float32 as the reference. */
export function intoCameraFrame(
  points: readonly (readonly Vector3[])[],
  cameraToWorld: readonly (readonly number[])[],
): readonly (readonly Vector3[])[] {
  const worldToCamera = inverse(new Matrix(cameraToWorld.map((row) => row.map(Math.fround)))).to2DArray();
  return points.map((frame) =>
    frame.map((p) => {
      const row = (i: number): number => {
        const m = worldToCamera[i]!;
        return Math.fround(m[0]! * p[0] + m[1]! * p[1] + m[2]! * p[2] + m[3]!);
      };
      return [row(0), row(1), row(2)];
    }),
  );
}
