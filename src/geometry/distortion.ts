import { InputError } from '../core/errors.js';

/** Lens distortion on normalised image coordinates (x/z, y/z). */
export interface Distortion {
  /** Ideal to distorted; null where the lens model folds back, so that no pixel shows the ray. */
  distort(x: number, y: number): readonly [number, number] | null;
  /** Distorted to ideal; null where no ray in front of the camera lands there. */
  undistort(xd: number, yd: number): readonly [number, number] | null;
}

/**
 * Names of the same models in the wild. Drivers fill `d` to the length of OpenCV's longest model whatever the name says, so both of OpenCV's names
 * take every length that OpenCV takes.
 */
const FAMILIES: Readonly<Record<string, 'opencv' | 'fisheye'>> = {
  '': 'opencv',
  none: 'opencv',
  plumb_bob: 'opencv',
  rational_polynomial: 'opencv',
  thin_prism: 'opencv',
  equidistant: 'fisheye',
  fisheye: 'fisheye',
  kannala_brandt: 'fisheye',
  kannala_brandt4: 'fisheye',
};
const COUNTS = { opencv: [4, 5, 8, 12, 14], fisheye: [4] } as const;

/**
 * Distortion models of sensor_msgs/CameraInfo. plumb_bob and rational_polynomial are OpenCV's: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]],
 * of which the radial, tangential and thin-prism terms are computed and a tilted sensor is refused. equidistant (fisheye, Kannala-Brandt) is the
 * polynomial in the angle. No coefficients means no distortion.
 * @throws InputError `camera.distortion` for an unknown model, a wrong number of coefficients, a tilted sensor, or a value that is not finite.
 */
export function distortionOf(model: string, coefficients: readonly number[]): Distortion {
  const fail = (message: string): never => {
    throw new InputError({
      code: 'camera.distortion',
      message,
      remedy: 'supported are plumb_bob, rational_polynomial, equidistant; rectify the images or fix the calibration',
    });
  };
  const family =
    FAMILIES[
      model
        .trim()
        .toLowerCase()
        .replaceAll(/[\s-]+/g, '_')
    ];
  if (!family) return fail(`distortion model "${model}" is not known`);
  if (coefficients.some((c) => !Number.isFinite(c)))
    fail(`distortion coefficients [${coefficients.join(', ')}] are not finite`);
  if (coefficients.some((c) => Math.abs(c) > LARGEST_COEFFICIENT))
    fail(`distortion coefficients [${coefficients.join(', ')}] are those of no lens`);
  if (coefficients.length === 0) return NONE;
  const isUnnamed = model === '' || model === 'none';
  if (isUnnamed && coefficients.some((c) => c !== 0))
    fail(`${coefficients.length} distortion coefficients come with the model name "${model}"`);
  const counts: readonly number[] = COUNTS[family];
  if (!isUnnamed && !counts.includes(coefficients.length))
    fail(`${model} needs ${counts.join(' or ')} coefficients, not ${coefficients.length}`);
  // An all-zero fisheye is still a fisheye; only the OpenCV models reduce to the pinhole.
  if (family === 'fisheye') return new Equidistant(coefficients);
  if (coefficients.slice(12).some((c) => c !== 0))
    fail(`${model} with a tilted sensor (tx ${coefficients[12]!}, ty ${coefficients[13]!}) is not computed`);
  return coefficients.every((c) => c === 0) ? NONE : new RationalPolynomial(coefficients);
}

/** Rational models of wide lenses reach a few hundred. */
const LARGEST_COEFFICIENT = 1e4;

const NONE: Distortion = { distort: (x, y) => [x, y], undistort: (x, y) => [x, y] };

/** Radii beyond this (about 89 degrees off axis) are treated as out of view. */
const LARGEST_RADIUS = 60;

/** Half the distance in normalised coordinates that a reprojection may miss by: under a thousandth of a pixel for focal lengths to 2000 px. */
const REPROJECTION_TOLERANCE = 4e-10;

class RationalPolynomial implements Distortion {
  readonly #k: readonly number[];
  readonly #p1: number;
  readonly #p2: number;
  /** Thin prism: s1 s2 s3 s4. */
  readonly #s: readonly [number, number, number, number];
  /** First radius at which the radial function stops growing: beyond it a second ray lands on the same pixel. */
  readonly #foldRadius: number;

  constructor(coefficients: readonly number[]) {
    const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0, k4 = 0, k5 = 0, k6 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0] =
      coefficients;
    this.#k = [k1, k2, k3, k4, k5, k6];
    this.#p1 = p1;
    this.#p2 = p2;
    this.#s = [s1, s2, s3, s4];
    this.#foldRadius = firstFold((r) => this.#radialSlope(r), LARGEST_RADIUS);
  }

  #factor(r2: number): number {
    const [k1, k2, k3, k4, k5, k6] = this.#k as [number, number, number, number, number, number];
    return (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)));
  }

  /** d factor / d r2 */
  #factorSlope(r2: number): number {
    const [k1, k2, k3, k4, k5, k6] = this.#k as [number, number, number, number, number, number];
    const numerator = 1 + r2 * (k1 + r2 * (k2 + r2 * k3));
    const denominator = 1 + r2 * (k4 + r2 * (k5 + r2 * k6));
    const numeratorSlope = k1 + r2 * (2 * k2 + r2 * 3 * k3);
    const denominatorSlope = k4 + r2 * (2 * k5 + r2 * 3 * k6);
    return (numeratorSlope * denominator - numerator * denominatorSlope) / (denominator * denominator);
  }

  #radialSlope(r: number): number {
    return this.#factor(r * r) + 2 * r * r * this.#factorSlope(r * r);
  }

  #apply(x: number, y: number): [number, number] {
    const r2 = x * x + y * y;
    const factor = this.#factor(r2);
    const [s1, s2, s3, s4] = this.#s;
    return [
      x * factor + 2 * this.#p1 * x * y + this.#p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2),
      y * factor + this.#p1 * (r2 + 2 * y * y) + 2 * this.#p2 * x * y + r2 * (s3 + s4 * r2),
    ];
  }

  distort(x: number, y: number): readonly [number, number] | null {
    return Math.hypot(x, y) > this.#foldRadius ? null : this.#apply(x, y);
  }

  undistort(xd: number, yd: number): readonly [number, number] | null {
    // The radial inverse is found by bisection on the growing branch (it cannot wander past the fold), then Newton adds the tangential part.
    const distorted = Math.hypot(xd, yd);
    if (distorted === 0 && this.#p1 === 0 && this.#p2 === 0) return [0, 0];
    const radius = invertGrowing((r) => r * this.#factor(r * r), Math.min(distorted, this.#reach()), this.#foldRadius);
    let x = distorted === 0 ? 0 : (xd * radius) / distorted;
    let y = distorted === 0 ? 0 : (yd * radius) / distorted;
    for (let i = 0; i < 50; i++) {
      const [ex, ey] = this.#apply(x, y);
      const r2 = x * x + y * y;
      const factor = this.#factor(r2);
      const slope = 2 * this.#factorSlope(r2);
      const shared = x * y * slope + 2 * this.#p1 * x + 2 * this.#p2 * y;
      // d/dr2 of the thin prism; dr2/dx is 2x, dr2/dy is 2y.
      const [s1, s2, s3, s4] = this.#s;
      const prismX = s1 + 2 * s2 * r2;
      const prismY = s3 + 2 * s4 * r2;
      const xx = factor + x * x * slope + 2 * this.#p1 * y + 6 * this.#p2 * x + 2 * x * prismX;
      const xy = shared + 2 * y * prismX;
      const yx = shared + 2 * x * prismY;
      const yy = factor + y * y * slope + 6 * this.#p1 * y + 2 * this.#p2 * x + 2 * y * prismY;
      const determinant = xx * yy - xy * yx;
      if (!(determinant > 0)) return null;
      const dx = (yy * (xd - ex) - xy * (yd - ey)) / determinant;
      const dy = (xx * (yd - ey) - yx * (xd - ex)) / determinant;
      x += dx;
      y += dy;
      if (!Number.isFinite(x) || !Number.isFinite(y)) return null;
      if (Math.hypot(dx, dy) < 1e-15 * (1 + Math.hypot(x, y))) break;
    }
    const [rx, ry] = this.#apply(x, y);
    const miss = Math.hypot(rx - xd, ry - yd);
    return miss < REPROJECTION_TOLERANCE * (1 + distorted) && Math.hypot(x, y) <= this.#foldRadius * 1.01
      ? [x, y]
      : null;
  }

  #reach(): number {
    return this.#foldRadius * this.#factor(this.#foldRadius * this.#foldRadius);
  }
}

class Equidistant implements Distortion {
  readonly #k: readonly number[];
  readonly #foldAngle: number;

  constructor(coefficients: readonly number[]) {
    this.#k = coefficients;
    const slope = (theta: number): number => {
      const t2 = theta * theta;
      return 1 + t2 * (3 * this.#k[0]! + t2 * (5 * this.#k[1]! + t2 * (7 * this.#k[2]! + t2 * 9 * this.#k[3]!)));
    };
    this.#foldAngle = firstFold(slope, Math.PI / 2);
  }

  #distortedAngle(theta: number): number {
    const t2 = theta * theta;
    return theta * (1 + t2 * (this.#k[0]! + t2 * (this.#k[1]! + t2 * (this.#k[2]! + t2 * this.#k[3]!))));
  }

  distort(x: number, y: number): readonly [number, number] | null {
    const r = Math.hypot(x, y);
    const theta = Math.atan(r);
    if (theta > this.#foldAngle) return null;
    const scale = r < 1e-12 ? 1 : this.#distortedAngle(theta) / r;
    return [x * scale, y * scale];
  }

  undistort(xd: number, yd: number): readonly [number, number] | null {
    const distorted = Math.hypot(xd, yd);
    if (distorted < 1e-12) return [xd, yd];
    if (distorted > this.#distortedAngle(this.#foldAngle)) return null;
    const theta = invertGrowing((angle) => this.#distortedAngle(angle), distorted, this.#foldAngle);
    // At 90 degrees the ray is parallel to the image plane: x/z has no value.
    if (theta > Math.PI / 2 - 1e-6) return null;
    const scale = Math.tan(theta) / distorted;
    return [xd * scale, yd * scale];
  }
}

/** First value in (0, limit] where the slope is no longer positive, or the limit. */
function firstFold(slope: (value: number) => number, limit: number): number {
  // Steps grow with the value: lenses fold near 1, and far out a coarse step is as good relatively.
  let low = 0;
  for (let value = 1e-3; value < limit; value += Math.max(1e-3, value * 2e-3)) {
    if (!(slope(value) > 0)) {
      let high = value;
      for (let i = 0; i < 60; i++) {
        const middle = (low + high) / 2;
        if (slope(middle) > 0) low = middle;
        else high = middle;
      }
      return low;
    }
    low = value;
  }
  return limit;
}

/** x in [0, limit] with f(x) = target for f growing on that interval and f(0) = 0. */
function invertGrowing(f: (value: number) => number, target: number, limit: number): number {
  let low = 0;
  let high = limit;
  for (let i = 0; i < 200 && high - low > 1e-16 * (1 + high); i++) {
    const middle = (low + high) / 2;
    if (f(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
