import { quat } from 'gl-matrix';
import { InputError } from '../core/errors.js';
import { percentile } from '../core/statistics.js';
import type { Quaternion, Vector3 } from '../core/vector.js';
import type { Transform } from '../geometry/transform.js';

/** A parallel gripper from above. */
export interface TopGrasp {
  /** Of the tool centre, in the frame of the points; the fingers close along its y. */
  readonly pose: Transform;
  /** Of the object between the fingers, metres. */
  readonly widthM: number;
}

/** What the gripper can do, metres. */
export interface GripperShape {
  /** Widest object that still goes between the fingers. */
  readonly openWidthM: number;
  /** How far the fingers reach beyond the tool centre. */
  readonly fingertipM: number;
}

/** Half a pixel and the noise of depth make an object look smaller than it is: room that is kept beside it. */
const ROOM_M = 0.012;
/** How far below the object's top the tool centre goes: half of the object, but not less or more than this. */
const LEAST_DEPTH_M = 0.016;
const MOST_DEPTH_M = 0.03;
/** Between the fingers' ends and what the object stands on. */
const CLEARANCE_M = 0.003;
const LEAST_POINTS = 6;
/** Readings beyond these are noise. */
const TRIM = 3;
const ANGLES = 45;
/** Of a tool that looks straight down, x forward. */
const DOWN: Quaternion = [1, 0, 0, 0];

/** A tool that looks straight down, turned by an angle about the vertical. */
export function downTurned(angle: number): Quaternion {
  const turn = quat.setAxisAngle([0, 0, 0, 1], [0, 0, 1], angle);
  return quat.multiply(turn, turn, DOWN);
}

/**
 * Grasps from above for an object of which a part of the surface is known: across the sides of the smallest upright box around it, each way round,
 * the narrower side first.
 * @param surface metres, in a frame whose z points up. @throws InputError `plan.surface` for too few points, `plan.too-wide`.
 */
export function topGrasps(surface: readonly Vector3[], gripper: GripperShape): readonly TopGrasp[] {
  if (surface.length < LEAST_POINTS) {
    throw new InputError({
      code: 'plan.surface',
      message: `only ${surface.length} points of the object are seen, and a grasp needs ${LEAST_POINTS}`,
      remedy: 'look at the object from another side, or from nearer by',
    });
  }
  const heights = surface.map(([, , z]) => z);
  const top = percentile(heights, 100 - TRIM);
  const bottom = percentile(heights, TRIM);
  const depth = Math.max(LEAST_DEPTH_M, Math.min((top - bottom) / 2, MOST_DEPTH_M));
  const z = Math.max(bottom + gripper.fingertipM + CLEARANCE_M, top - depth);
  const { center, angle, widths } = footprint(surface);
  const sides = widths
    .map((widthM, side) => ({ widthM, along: angle + (side * Math.PI) / 2 }))
    .filter(({ widthM }) => widthM + ROOM_M <= gripper.openWidthM)
    .sort((a, b) => a.widthM - b.widthM);
  if (sides.length === 0) {
    throw new InputError({
      code: 'plan.too-wide',
      message: `the object is ${(1000 * Math.min(...widths)).toFixed(0)} mm wide, and the gripper opens ${(1000 * gripper.openWidthM).toFixed(0)} mm`,
      remedy: 'choose a smaller object',
    });
  }
  return sides.flatMap(({ widthM, along }) =>
    // The tool's y stands a quarter turn behind its x.
    [Math.PI / 2, -Math.PI / 2].map((quarter) => ({
      pose: {
        translation: [center[0], center[1], z] as const,
        rotation: downTurned(along + quarter),
      },
      widthM,
    })),
  );
}

/** The smallest rectangle around points seen from above. */
function footprint(points: readonly Vector3[]): {
  readonly center: readonly [number, number];
  readonly angle: number;
  readonly widths: readonly [number, number];
} {
  const rectangles = Array.from({ length: ANGLES }, (_, i) => {
    const angle = ((Math.PI / 2) * i) / ANGLES;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const u = span(points.map(([x, y]) => c * x + s * y));
    const v = span(points.map(([x, y]) => c * y - s * x));
    const [mu, mv] = [u.middle, v.middle];
    return {
      angle,
      center: [c * mu - s * mv, s * mu + c * mv] as const,
      widths: [u.width, v.width] as const,
      area: u.width * v.width,
    };
  });
  return rectangles.reduce((best, one) => (one.area < best.area ? one : best));
}

function span(values: readonly number[]): { readonly middle: number; readonly width: number } {
  const low = percentile(values, TRIM);
  const high = percentile(values, 100 - TRIM);
  return { middle: (low + high) / 2, width: high - low };
}
