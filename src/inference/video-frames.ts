import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import type { BundleDescription } from './bundle.js';
import type { FrameLayout } from './model-input.js';
import type { TensorValue } from './worker-messages.js';

/** Layout of the frames of one video. @throws InputError `input.video` where the model reads still images only. */
export function videoLayout(folder: string, { input, video }: BundleDescription): FrameLayout {
  if (video) return video;
  if (input.kind === 'frames') return input;
  throw new InputError({
    code: 'input.video',
    message: `${folder} reads still images only: its checkpoint says nothing about videos`,
    remedy: 'leave the times out, or build the bundle from a checkpoint that has video options',
  });
}

/**
 * One time for each frame, in seconds from 0 on and ascending; all frames of one size.
 * @throws InputError `input.times`, `input.frames`.
 */
export function checkFrames(frames: readonly RgbImage[], times: readonly number[]): void {
  if (times.length !== frames.length) {
    throw new InputError({
      code: 'input.times',
      message: `${times.length} times were given for ${frames.length} frames`,
      remedy: 'give one time in seconds for each frame',
    });
  }
  const wrong = times.findIndex((time, i) => !Number.isFinite(time) || time < 0 || (i > 0 && time <= times[i - 1]!));
  if (wrong >= 0) {
    throw new InputError({
      code: 'input.times',
      message: `time ${wrong + 1} of the frames is ${times[wrong]} s, which is negative, no number, or not after the time before it`,
      remedy: 'give the frames in the order of their times, each later than the one before',
    });
  }
  const [first] = frames;
  const other = frames.findIndex(({ width, height }) => width !== first?.width || height !== first.height);
  if (first && other >= 0) {
    const { width, height } = frames[other]!;
    throw new InputError({
      code: 'input.frames',
      message: `frame ${other + 1} is ${width}x${height}, but frame 1 is ${first.width}x${first.height}: one video has frames of one size`,
      remedy: 'give frames of one video, or leave the times out to ask about separate pictures',
    });
  }
}

/** All frames in one array, uint8 [frames, height, width, 3]; of no frames, an empty one. */
export function frameInput(frames: readonly RgbImage[]): TensorValue {
  const [first] = frames;
  if (!first) return { type: 'uint8', dims: [0, 0, 0, 3], data: new Uint8Array(0) };
  const { width, height } = first;
  const data = new Uint8Array(frames.length * width * height * 3);
  frames.forEach((frame, i) => {
    data.set(frame.data, i * width * height * 3);
  });
  return { type: 'uint8', dims: [frames.length, height, width, 3], data };
}
