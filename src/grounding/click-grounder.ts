import { InputError, PlannerError } from '../core/errors.js';
import type { DepthImage } from '../core/images.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoints } from '../core/query-points.js';
import type { Pixel } from '../core/vector.js';
import type { Grounder, GroundingRequest } from './grounder.js';
import { pointsOnMask, withHistory, type PointsOnObject } from './object-points.js';
import type { LiftPointsOptions } from './lift-points.js';
import { growRegion } from './region-growing.js';

/** Query points on the object under a clicked pixel. One click asks for one forecast, of the camera it names. */
export class ClickGrounder implements Grounder {
  readonly name = 'click';
  readonly #options: LiftPointsOptions;
  readonly #clicks = new Map<string, Pixel>();

  constructor(options: LiftPointsOptions) {
    this.#options = options;
  }

  /** The next window of the camera is grounded at this pixel; a later click replaces one that waits. */
  click(camera: string, pixel: Pixel): void {
    this.#clicks.set(camera, pixel);
  }

  /** Rejects with RetryableError while the history needs transforms that have not come: the click then stays. */
  async ground(request: GroundingRequest): Promise<QueryPoints | null> {
    const frame = request.window.at(-1)!;
    const click = this.#clicks.get(frame.camera);
    if (!click) return null;
    try {
      const query = await this.#ground(request, frame, click);
      this.#clicks.delete(frame.camera);
      return query;
    } catch (error) {
      // Where only transforms are missing, a later picture may have them.
      if (!(error instanceof PlannerError && error.code.startsWith('tf.'))) this.#clicks.delete(frame.camera);
      throw error;
    }
  }

  async #ground(request: GroundingRequest, frame: CameraFrame, click: Pixel): Promise<QueryPoints> {
    if (!frame.depth) {
      throw new InputError({
        code: 'grounding.no-depth',
        message: `camera ${frame.camera} has no depth, so a click on it cannot be lifted`,
        remedy: 'click on a camera with depth',
      });
    }
    const depth = await frame.depth();
    return withHistory(request, () => this.#onObject(frame, depth, click));
  }

  /** A click that meets no object is a refused point: it is shown where others are. */
  async #onObject(frame: CameraFrame, depth: DepthImage, click: Pixel): Promise<PointsOnObject> {
    try {
      return pointsOnMask(
        growRegion(await frame.color(), depth, frame.model, click),
        depth,
        frame.model,
        this.#options,
      );
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { points: [{ pixel: click, position: null, refused: error.message }], surface: [] };
    }
  }
}
