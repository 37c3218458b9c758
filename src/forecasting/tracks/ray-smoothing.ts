import type { PointMotion } from './point-motion.js';

export interface SmoothingOptions {
  readonly steps: number;
  readonly learningRate: number;
  /** Weight of the pin to the measured point. */
  readonly alpha: number;
  readonly lambda: number;
  /** Power p of the gate (1 - w)^p. */
  readonly gatingPower: number;
}

const STRIDES = [1, 3, 5] as const;
/** Frames on each side that must be visible too. */
const EROSION = 2;
const GRADIENT_NORM = 1;
const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/**
 * Displacements along the viewing rays that make low-trust observations move smoothly: `d[n * frames + t]`, metres, positive away from the
 * camera. The annotation pipeline's smoother, in float64: Adam on
 * L = sum m [ alpha w d^2 + lambda d^2 ] + sum_D sum m(t) m(t+D) m(t-D) (1-w)^p ((P'(t+D) - 2 P'(t) + P'(t-D)) . r(t))^2, P' = P + d r,
 * for D in 1, 3, 5 with T > 2 D, frames clamped at the ends, and the gradient's norm cut at 1. It stops after the given steps, not at the minimum:
 * the pipeline's output is that.
 * @param weights `[t * count + n]`
 * @param cameraCentres x, y, z of each frame, metres.
 */
export function smoothAlongRays(
  motion: PointMotion,
  weights: ArrayLike<number>,
  cameraCentres: Float64Array,
  options: SmoothingOptions,
): Float64Array {
  const { frames: T, count: N } = motion;
  const rays = unitRays(motion, cameraCentres);
  const mask = erodedVisibility(motion);
  const terms = accelerationTerms(motion, rays, mask, weights, options.gatingPower);
  const size = N * T;
  const d = new Float64Array(size);
  const first = new Float64Array(size);
  const second = new Float64Array(size);
  const gradient = new Float64Array(size);
  const pin = new Float64Array(size);
  for (let n = 0; n < N; n++)
    for (let t = 0; t < T; t++)
      pin[n * T + t] = 2 * mask[n * T + t]! * (options.alpha * weights[t * N + n]! + options.lambda);
  for (let step = 1; step <= options.steps; step++) {
    for (let i = 0; i < size; i++) gradient[i] = pin[i]! * d[i]!;
    for (const { at, before, after, gate, rest, toBefore, toAfter, own } of terms) {
      const acceleration = rest + toAfter * d[after]! - 2 * own * d[at]! + toBefore * d[before]!;
      const g = 2 * gate * acceleration;
      gradient[after]! += g * toAfter;
      gradient[at]! -= 2 * g * own;
      gradient[before]! += g * toBefore;
    }
    let norm = 0;
    for (let i = 0; i < size; i++) norm += gradient[i]! * gradient[i]!;
    // torch.nn.utils.clip_grad_norm_ over the whole matrix.
    const clip = Math.min(1, GRADIENT_NORM / (Math.sqrt(norm) + 1e-6));
    const correction1 = 1 - ADAM.beta1 ** step;
    const correction2 = Math.sqrt(1 - ADAM.beta2 ** step);
    for (let i = 0; i < size; i++) {
      const g = gradient[i]! * clip;
      first[i] = ADAM.beta1 * first[i]! + (1 - ADAM.beta1) * g;
      second[i] = ADAM.beta2 * second[i]! + (1 - ADAM.beta2) * g * g;
      d[i]! -=
        ((options.learningRate / correction1) * first[i]!) / (Math.sqrt(second[i]!) / correction2 + ADAM.epsilon);
    }
  }
  return d;
}

/** Positions moved by the displacements; NaN where not visible. */
export function displace(motion: PointMotion, cameraCentres: Float64Array, displacements: Float64Array): Float64Array {
  const { frames: T, count: N, positions } = motion;
  const rays = unitRays(motion, cameraCentres);
  return positions.map((value, i) => {
    const at = Math.floor(i / 3);
    return value + displacements[(at % N) * T + Math.floor(at / N)]! * rays[i]!;
  });
}

interface AccelerationTerm {
  readonly at: number;
  readonly before: number;
  readonly after: number;
  readonly gate: number;
  /** Acceleration along the ray without displacements. */
  readonly rest: number;
  readonly toBefore: number;
  readonly toAfter: number;
  readonly own: number;
}

/** The terms of the loss that do not vanish; everything that stays the same between steps is computed here. */
function accelerationTerms(
  motion: PointMotion,
  rays: Float64Array,
  mask: Uint8Array,
  weights: ArrayLike<number>,
  power: number,
): readonly AccelerationTerm[] {
  const { frames: T, count: N, positions } = motion;
  const terms: AccelerationTerm[] = [];
  for (const stride of STRIDES) {
    if (T <= 2 * stride) continue;
    for (let n = 0; n < N; n++) {
      for (let t = 0; t < T; t++) {
        const b = Math.max(0, t - stride);
        const a = Math.min(T - 1, t + stride);
        if (mask[n * T + t]! * mask[n * T + b]! * mask[n * T + a]! === 0) continue;
        const at = (frame: number): number => (frame * N + n) * 3;
        const ray = (frame: number): number => {
          let dot = 0;
          for (let c = 0; c < 3; c++) dot += rays[at(frame) + c]! * rays[at(t) + c]!;
          return dot;
        };
        let rest = 0;
        for (let c = 0; c < 3; c++)
          rest += (positions[at(a) + c]! - 2 * positions[at(t) + c]! + positions[at(b) + c]!) * rays[at(t) + c]!;
        terms.push({
          at: n * T + t,
          before: n * T + b,
          after: n * T + a,
          gate: (1 - weights[t * N + n]!) ** power,
          rest,
          toBefore: ray(b),
          toAfter: ray(a),
          own: ray(t),
        });
      }
    }
  }
  return terms;
}

/** From the camera to each point; zero where the point is not visible. */
function unitRays({ frames: T, count: N, positions }: PointMotion, centres: Float64Array): Float64Array {
  const rays = new Float64Array(positions.length);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      const at = (t * N + n) * 3;
      const [x, y, z] = [0, 1, 2].map((c) => positions[at + c]! - centres[t * 3 + c]!) as [number, number, number];
      if (Number.isNaN(x)) continue;
      const length = Math.sqrt(x * x + y * y + z * z + 1e-12);
      rays.set([x / length, y / length, z / length], at);
    }
  }
  return rays;
}

/** `[n * frames + t]`: visible, and so are the frames around; frames beyond the ends count as the end. */
function erodedVisibility({ frames: T, count: N, visible }: PointMotion): Uint8Array {
  const mask = new Uint8Array(N * T);
  for (let n = 0; n < N; n++) {
    for (let t = 0; t < T; t++) {
      let all = 1;
      for (let k = -EROSION; k <= EROSION; k++) all &= visible[Math.min(T - 1, Math.max(0, t + k)) * N + n]!;
      mask[n * T + t] = all;
    }
  }
  return mask;
}
