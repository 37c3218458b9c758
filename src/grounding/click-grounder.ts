import { InputError, PlannerError } from '../core/errors.js';
import type { DepthImage, RgbImage } from '../core/images.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoint, QueryPoints } from '../core/query-points.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { CausalTrackFilter } from '../forecasting/tracks/causal-filter.js';
import { transformPoint, type Transform } from '../geometry/transform.js';
import { DEFAULT_LIFTING, liftPixel } from '../sensing/lifting.js';
import { TrackingImage, trackPixel } from '../sensing/patch-tracker.js';
import type { Grounder, GroundingRequest } from './grounder.js';
import { liftMask } from './lift-points.js';
import { growRegion } from './region-growing.js';

export interface ClickGrounderOptions {
  readonly points: number;
  readonly seed: number;
}

/** Query points on the object under a clicked pixel. One click asks for one forecast, of the camera it names. */
export class ClickGrounder implements Grounder {
  readonly name = 'click';
  readonly #options: ClickGrounderOptions;
  readonly #clicks = new Map<string, Pixel>();

  constructor(options: ClickGrounderOptions) {
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
    const past = request.window.slice(0, -1).map((earlier) => ({ earlier, intoT0: request.intoT0(earlier) }));
    const color = await frame.color();
    const points = pointsOnObject(color, await frame.depth(), frame, click, this.#options);
    const lifted = points.filter((point): point is QueryPoint & { position: Vector3 } => point.position !== null);
    const now = new TrackingImage(color);
    const measured = await Promise.all(past.map(({ earlier, intoT0 }) => historyOf(earlier, now, lifted, intoT0)));
    // A reading that breaks the shape of the object is drawn back to where its point was going.
    const filter = new CausalTrackFilter();
    const history = [...measured, lifted.map((point) => point.position)].map((frame) => filter.add(frame));
    const atT0 = new Map(lifted.map((point, i) => [point, history.at(-1)![i]!]));
    return {
      camera: frame.camera,
      frameId: frame.frameId,
      stamp: frame.stamp,
      points: points.map((point) =>
        point.position ? { ...point, position: atT0.get(point as (typeof lifted)[number])! } : point,
      ),
      history,
      historyStamps: request.window.map(({ stamp }) => stamp),
      tracks: null,
    };
  }
}

/** A click that meets no object is a refused point: it is shown where others are. */
function pointsOnObject(
  color: RgbImage,
  depth: DepthImage,
  frame: CameraFrame,
  click: Pixel,
  options: ClickGrounderOptions,
): readonly QueryPoint[] {
  try {
    return liftMask(growRegion(color, depth, frame.model, click), depth, frame.model, options);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return [{ pixel: click, position: null, refused: error.message }];
  }
}

/** Where the points were in an earlier picture, in the camera frame of t0; null where they cannot be followed or lifted. */
async function historyOf(
  past: CameraFrame,
  now: TrackingImage,
  points: readonly (QueryPoint & { position: Vector3 })[],
  intoT0: Transform,
): Promise<(Vector3 | null)[]> {
  if (!past.depth) return points.map(() => null);
  const then = new TrackingImage(await past.color());
  const depth = await past.depth();
  return points.map(({ pixel }) => {
    const was = trackPixel(now, then, pixel);
    const lifted = was && liftPixel(was, depth, past.model, DEFAULT_LIFTING);
    return lifted?.position ? transformPoint(intoT0, lifted.position) : null;
  });
}
