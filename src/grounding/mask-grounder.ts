import { InputError } from '../core/errors.js';
import type { MaskImage } from '../core/images.js';
import type { QueryPoints } from '../core/query-points.js';
import type { CameraFrame } from '../core/observation.js';
import type { Grounder, GroundingRequest } from './grounder.js';
import type { LiftPointsOptions } from './lift-points.js';
import { pointsOnMask, withHistory } from './object-points.js';
import { area } from './mask-selection.js';

/** Fewer pixels of an object do not say where it is. */
const LEAST_PIXELS = 4;

/**
 * Query points on the object that the instruction names, from the simulator's own mask of it: what a click and a segmentation model give on a robot.
 * Depth is that of the camera, noise and all.
 */
export class MaskGrounder implements Grounder {
  readonly name = 'mask';
  readonly #maskOf: (instruction: string, frame: CameraFrame) => MaskImage | null;
  readonly #options: LiftPointsOptions;

  /** @param maskOf the named object in a picture; null for a picture that is not remembered. It throws for an instruction that names nothing. */
  constructor(maskOf: (instruction: string, frame: CameraFrame) => MaskImage | null, options: LiftPointsOptions) {
    this.#maskOf = maskOf;
    this.#options = options;
  }

  /** Rejects with InputError `grounding.hidden` where the camera does not see the object. */
  async ground(request: GroundingRequest): Promise<QueryPoints | null> {
    const frame = request.window.at(-1)!;
    const mask = this.#maskOf(request.instruction, frame);
    if (!mask || !frame.depth) return null;
    if (area(mask) < LEAST_PIXELS) {
      throw new InputError({
        code: 'grounding.hidden',
        message: `camera ${frame.camera} does not see the object of "${request.instruction}"`,
        remedy: 'wait until nothing is in front of it, or look through another camera',
      });
    }
    const depth = await frame.depth();
    return withHistory(request, () => Promise.resolve(pointsOnMask(mask, depth, frame.model, this.#options)));
  }
}
