import { InputError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoint, QueryPoints } from '../core/query-points.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { transformPoint } from '../geometry/transform.js';
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

  async ground(request: GroundingRequest): Promise<QueryPoints | null> {
    const frame = request.window.at(-1)!;
    const click = this.#clicks.get(frame.camera);
    if (!click) return null;
    this.#clicks.delete(frame.camera);
    if (!frame.depth) {
      throw new InputError({
        code: 'grounding.no-depth',
        message: `camera ${frame.camera} has no depth, so a click on it cannot be lifted`,
        remedy: 'click on a camera with depth',
      });
    }
    const color = await frame.color();
    const depth = await frame.depth();
    const mask = growRegion(color, depth, frame.model, click);
    const points = liftMask(mask, depth, frame.model, this.#options);
    const lifted = points.filter((point): point is QueryPoint & { position: Vector3 } => point.position !== null);
    if (lifted.length === 0) {
      throw new InputError({
        code: 'grounding.no-point',
        message: `no point of the object at (${click.join(', ')}) could be lifted: ${points[0]?.refused ?? 'its mask is empty'}`,
        remedy: 'click another place on the object',
      });
    }
    const now = new TrackingImage(color);
    const earlier = await Promise.all(request.window.slice(0, -1).map((past) => historyOf(past, now, lifted, request)));
    return {
      camera: frame.camera,
      frameId: frame.frameId,
      stamp: frame.stamp,
      points,
      history: [...earlier, lifted.map((point) => point.position)],
    };
  }
}

/** Where the points were in an earlier picture, in the camera frame of t0; null where they cannot be followed or lifted. */
async function historyOf(
  past: CameraFrame,
  now: TrackingImage,
  points: readonly (QueryPoint & { position: Vector3 })[],
  request: GroundingRequest,
): Promise<(Vector3 | null)[]> {
  if (!past.depth) return points.map(() => null);
  const then = new TrackingImage(await past.color());
  const depth = await past.depth();
  const intoT0 = request.intoT0(past);
  return points.map(({ pixel }) => {
    const was = trackPixel(now, then, pixel);
    const lifted = was && liftPixel(was, depth, past.model, DEFAULT_LIFTING);
    return lifted?.position ? transformPoint(intoT0, lifted.position) : null;
  });
}
