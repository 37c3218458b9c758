import { InputError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoints } from '../core/query-points.js';
import type { Nanoseconds } from '../core/time.js';
import type { TfBuffer } from '../geometry/tf-buffer.js';
import { compose, IDENTITY, invert, type Transform } from '../geometry/transform.js';
import type { Grounder } from '../grounding/grounder.js';

/** From a window of pictures and the task to query points with their history. */
export class GroundingStage {
  readonly #grounders: readonly Grounder[];
  readonly #tf: TfBuffer;
  readonly #fixedFrame: string | null;

  /**
   * @param grounders asked in order; the first that has something to ground is used. @param fixedFrame one that does not move with the robot, for the
   * history of a camera that does; the root of the transform tree where it is null.
   */
  constructor(grounders: readonly Grounder[], tf: TfBuffer, fixedFrame: string | null) {
    this.#grounders = grounders;
    this.#tf = tf;
    this.#fixedFrame = fixedFrame;
  }

  /** Null while nobody asks for anything. Rejects with InputError `instruction.empty` and the grounders' own errors, RetryableError `tf.*`. */
  async ground(window: readonly CameraFrame[], instruction: string): Promise<QueryPoints | null> {
    if (instruction === '') {
      throw new InputError({
        code: 'instruction.empty',
        message: 'there is no instruction yet, or it is empty',
        remedy: 'publish it on the instruction topic, or set instruction.text (--instruction)',
      });
    }
    const t0 = window.at(-1)!;
    const intoT0 = (frame: CameraFrame): Transform => this.#betweenCameras(frame, t0);
    const lookup = (target: string, source: string, stamp: Nanoseconds): Transform =>
      this.#tf.lookup(target, source, stamp);
    for (const grounder of this.#grounders) {
      const query = await grounder.ground({ window, instruction, intoT0, lookup });
      if (query) return query;
    }
    return null;
  }

  /** Points of an earlier camera pose into that of t0, through the fixed frame. Where nobody publishes transforms the camera stands still. */
  #betweenCameras(from: CameraFrame, to: CameraFrame): Transform {
    if (from.stamp === to.stamp || this.#tf.frames.length === 0) return IDENTITY;
    const fixed = this.#fixedFrame ?? this.#tf.rootOf(to.frameId);
    return compose(
      invert(this.#tf.lookup(fixed, to.frameId, to.stamp)),
      this.#tf.lookup(fixed, from.frameId, from.stamp),
    );
  }
}
