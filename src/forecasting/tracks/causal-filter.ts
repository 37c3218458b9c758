import { vec3 } from 'gl-matrix';
import type { Vector3 } from '../../core/vector.js';
import { pointMotion, type PointMotion } from './point-motion.js';
import { PIPELINE_DEFAULTS, type TrackFilterOptions } from './filter-tracks.js';
import { trustWeights } from './trust-weights.js';

/** Frames that the trust of a point is judged over: one second at 15 Hz. */
const MEMORY = 15;

/**
 * The annotation pipeline's smoother for points that arrive one frame at a time. An observation that keeps its distances to the other points
 * stays where it was measured; one that does not is moved along its viewing ray towards where the point was going. It is the minimum of the
 * pipeline's loss with the frames to come left out, which has a closed form:
 * d = g a / (alpha w + lambda + g), with g = (1 - w)^p and a the way along the ray to the constant-velocity prediction.
 */
export class CausalTrackFilter {
  readonly #options: TrackFilterOptions;
  /** Filtered positions of the last frames, oldest first. */
  readonly #frames: (Vector3 | null)[][] = [];

  constructor(options: TrackFilterOptions = PIPELINE_DEFAULTS) {
    this.#options = options;
  }

  /** @param points positions in the camera's frame, metres, the same points in every frame; null where not seen. @returns them, filtered. */
  add(points: readonly (Vector3 | null)[]): readonly (Vector3 | null)[] {
    if (this.#frames.length > 0 && this.#frames[0]!.length !== points.length) this.#frames.length = 0;
    const frames = [...this.#frames, [...points]];
    const motion = motionOf(frames);
    const all = points.map((_, n) => n);
    const { weights } = trustWeights(motion, all, this.#options);
    const last = frames.length - 1;
    const filtered = points.map((point, n) => {
      const before = frames[last - 1]?.[n];
      const earlier = frames[last - 2]?.[n];
      return point && before && earlier
        ? this.#alongRay(point, before, earlier, weights[last * points.length + n]!)
        : point;
    });
    this.#frames.push(filtered);
    if (this.#frames.length > MEMORY) this.#frames.shift();
    return filtered;
  }

  #alongRay(point: Vector3, before: Vector3, earlier: Vector3, trust: number): Vector3 {
    const { alpha, lambda, gatingPower } = this.#options;
    if (vec3.length(point) < 1e-6) return point;
    const ray = vec3.normalize([0, 0, 0], point);
    const predicted = vec3.scaleAndAdd([0, 0, 0], vec3.scale([0, 0, 0], before, 2), earlier, -1);
    const away = vec3.dot(vec3.subtract(predicted, predicted, point), ray);
    const gate = (1 - trust) ** gatingPower;
    const d = (gate * away) / (alpha * trust + lambda + gate);
    return vec3.scaleAndAdd([0, 0, 0], point, ray, d);
  }
}

function motionOf(frames: readonly (readonly (Vector3 | null)[])[]): PointMotion {
  const nowhere: Vector3 = [Number.NaN, Number.NaN, Number.NaN];
  return pointMotion(
    frames.length,
    frames[0]!.length,
    frames.flatMap((frame) => frame.flatMap((p) => [...(p ?? nowhere)])),
    frames.flatMap((frame) => frame.map((p) => (p ? 1 : 0))),
  );
}
