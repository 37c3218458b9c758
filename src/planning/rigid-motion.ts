import { InputError } from '../core/errors.js';
import type { Vector3 } from '../core/vector.js';
import { fitRigidMotion } from '../geometry/rigid-fit.js';
import { compose, IDENTITY, interpolate, invert, type Transform } from '../geometry/transform.js';

/** Where an object goes as a whole, by a forecast of points on it. */
export interface RigidMotion {
  /** `motions[f]` carries the object from t0 to step f, in the frame of the points. */
  readonly motions: readonly Transform[];
  /** Root mean square distance of the points from that motion, metres; null where too few were forecast and the motion is interpolated. */
  readonly rmsM: readonly (number | null)[];
}

export interface RigidMotionOptions {
  /** Largest residual (root mean square over the points of a step), metres. */
  readonly maxResidualM?: number;
  /** Steps to each side over which motions are averaged, for forecasts that tremble; 0 takes them as they are. */
  readonly smoothing?: number;
}

/** Three points that are not on a line fix a rotation. */
const LEAST_POINTS = 3;
/** The released model's forecasts of the two hand-held objects among the published clips are within 10 mm of rigid. */
const DEFAULT_RESIDUAL_M = 0.03;

/**
 * Fits a rigid motion to a forecast at every step (weighted Kabsch about the centroids). Steps in between with too few points are interpolated, and
 * those behind the last good one are left out.
 * @param start positions at t0, metres. @param positions `[p][f]`, metres, null where unknown.
 * @param weights of the points; equal when left out.
 * @throws InputError `plan.points` for too few points or points on a line, `plan.not-rigid` where the residual is too large.
 */
export function rigidMotionOf(
  start: readonly Vector3[],
  positions: readonly (readonly (Vector3 | null)[])[],
  options: RigidMotionOptions = {},
  weights: readonly number[] = start.map(() => 1),
): RigidMotion {
  const { maxResidualM = DEFAULT_RESIDUAL_M, smoothing = 0 } = options;
  const steps = positions[0]?.length ?? 0;
  if (start.length !== positions.length || steps === 0) {
    throw new InputError({
      code: 'plan.points',
      message: `a forecast of ${positions.length} points and ${steps} steps does not belong to ${start.length} points at t0`,
      remedy: 'give the positions at t0 of the points that were forecast',
    });
  }
  const fits = Array.from({ length: steps }, (_, f) => fitOfStep(start, positions, weights, f));
  const last = fits.findLastIndex((fit) => fit !== null);
  if (last < 0) {
    throw new InputError({
      code: 'plan.points',
      message: `no step has ${LEAST_POINTS} points off a line, which it takes to know how an object turns`,
      remedy: 'forecast more points, spread over the object',
    });
  }
  const used = fits.slice(0, last + 1);
  const worst = used.reduce((most, fit, f) => ((fit?.rmsM ?? 0) > (used[most]?.rmsM ?? 0) ? f : most), 0);
  const residual = used[worst]?.rmsM ?? 0;
  if (residual > maxResidualM) {
    throw new InputError({
      code: 'plan.not-rigid',
      message: `the points do not move as one rigid object: at step ${worst} they are ${(1000 * residual).toFixed(1)} mm off (allowed: ${(1000 * maxResidualM).toFixed(1)} mm)`,
      remedy: 'choose points on one object, or allow a larger residual',
    });
  }
  const filled = fillGaps(used.map((fit) => fit?.transform ?? null));
  return { motions: smoothed(filled, smoothing), rmsM: used.map((fit) => fit?.rmsM ?? null) };
}

/**
 * Poses of a gripper that holds the object and is carried along.
 * @param gripperInBase pose at t0. @param cameraInBase pose of the points' frame.
 */
export function carriedPoses({ motions }: RigidMotion, gripperInBase: Transform, cameraInBase: Transform): Transform[] {
  const baseInCamera = invert(cameraInBase);
  return motions.map((motion) => compose(compose(cameraInBase, compose(motion, baseInCamera)), gripperInBase));
}

function fitOfStep(
  start: readonly Vector3[],
  positions: readonly (readonly (Vector3 | null)[])[],
  weights: readonly number[],
  f: number,
): { readonly transform: Transform; readonly rmsM: number } | null {
  const known = positions.flatMap((track, p) => (track[f] && weights[p]! > 0 ? [{ p, target: track[f] }] : []));
  if (known.length < LEAST_POINTS) return null;
  const fit = fitRigidMotion(
    known.map(({ p }) => start[p]!),
    known.map(({ target }) => target),
    known.map(({ p }) => weights[p]!),
  );
  return fit.unique ? fit : null;
}

/** Between known motions along the way from one to the other; the first one follows on standing still at t0. */
function fillGaps(motions: readonly (Transform | null)[]): Transform[] {
  let from = -1;
  let known: Transform = IDENTITY;
  const filled: Transform[] = [];
  motions.forEach((motion, f) => {
    if (!motion) return;
    for (let gap = from + 1; gap < f; gap++) filled.push(interpolate(known, motion, (gap - from) / (f - from)));
    filled.push(motion);
    from = f;
    known = motion;
  });
  return filled;
}

/** Averages over neighbours, t0 (no motion) and the end being repeated beyond themselves. */
function smoothed(motions: readonly Transform[], reach: number): Transform[] {
  if (reach === 0) return [...motions];
  const at = (f: number): Transform => (f < 0 ? IDENTITY : motions[Math.min(f, motions.length - 1)]!);
  return motions.map((_, f) => {
    let mean = at(f - reach);
    for (let i = 1; i <= 2 * reach; i++) mean = interpolate(mean, at(f - reach + i), 1 / (i + 1));
    return mean;
  });
}
