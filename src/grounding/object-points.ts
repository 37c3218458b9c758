import type { Camera } from '../core/camera.js';
import type { DepthImage, MaskImage } from '../core/images.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoint, QueryPoints } from '../core/query-points.js';
import type { Vector3 } from '../core/vector.js';
import { CausalTrackFilter } from '../forecasting/tracks/causal-filter.js';
import { transformPoint, type Transform } from '../geometry/transform.js';
import { DEFAULT_LIFTING, liftPixel } from '../sensing/lifting.js';
import { TrackingImage, trackPixel } from '../sensing/patch-tracker.js';
import type { GroundingRequest } from './grounder.js';
import { liftMask, type LiftPointsOptions } from './lift-points.js';

/** What is known of an object at t0, in the camera's optical frame. */
export interface PointsOnObject {
  readonly points: readonly QueryPoint[];
  /** Everything of it that the camera sees and measures, metres. */
  readonly surface: readonly Vector3[];
}

/** A surface of more points is thinned out: a grasp needs no more. */
const MOST_SURFACE_POINTS = 1500;

export function pointsOnMask(
  mask: MaskImage,
  depth: DepthImage,
  camera: Camera,
  options: LiftPointsOptions,
): PointsOnObject {
  return { points: liftMask(mask, depth, camera, options), surface: surfaceOf(mask, depth, camera) };
}

function surfaceOf(mask: MaskImage, depth: DepthImage, camera: Camera): Vector3[] {
  const pixels = [...mask.data.keys()].filter((i) => mask.data[i] !== 0);
  const stride = Math.ceil(pixels.length / MOST_SURFACE_POINTS);
  return pixels.flatMap((i, n) => {
    const z = depth.data[i]!;
    const point = n % stride === 0 && z > 0 && camera.unproject([i % mask.width, Math.floor(i / mask.width)], z);
    return point ? [point] : [];
  });
}

/**
 * Points on an object with where they were in the earlier pictures of the window.
 * @param find asked once TF has answered. Rejects where it has no answer.
 */
export async function withHistory(
  request: GroundingRequest,
  find: () => Promise<PointsOnObject>,
): Promise<QueryPoints> {
  const frame = request.window.at(-1)!;
  const past = request.window.slice(0, -1).map((earlier) => ({ earlier, intoT0: request.intoT0(earlier) }));
  const { points, surface } = await find();
  const lifted = points.filter((point): point is QueryPoint & { position: Vector3 } => point.position !== null);
  const now = past.length > 0 ? new TrackingImage(await frame.color()) : null;
  const measured = await Promise.all(past.map(({ earlier, intoT0 }) => positionsIn(earlier, now!, lifted, intoT0)));
  // A reading that breaks the shape of the object is drawn back to where its point was going.
  const filter = new CausalTrackFilter();
  const history = [...measured, lifted.map((point) => point.position)].map((row) => filter.add(row));
  const atT0 = new Map(lifted.map((point, i) => [point, history.at(-1)![i]!]));
  return {
    camera: frame.camera,
    frameId: frame.frameId,
    stamp: frame.stamp,
    points: points.map((point) =>
      point.position ? { ...point, position: atT0.get(point as (typeof lifted)[number])! } : point,
    ),
    surface,
    history,
    historyStamps: request.window.map(({ stamp }) => stamp),
    tracks: null,
  };
}

/** Where the points were in an earlier picture, in the camera frame of t0; null where they cannot be followed or lifted. */
async function positionsIn(
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
