import type { Forecast } from '../core/forecast.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { compose, invert, transformPoint, type Transform } from '../geometry/transform.js';

/** Where an object was at every moment of a simulation: forecasts of points on it are held to this afterwards. */
export class MotionHistory {
  readonly #step: Nanoseconds;
  readonly #poses: { readonly object: Transform; readonly camera: Transform }[] = [];
  #start: Nanoseconds | null = null;

  /** @param step between two moments. */
  constructor(step: Nanoseconds) {
    this.#step = step;
  }

  /** True poses in the world; moments come in their order, a step apart. */
  add(stamp: Nanoseconds, object: Transform, camera: Transform): void {
    this.#start ??= stamp;
    this.#poses.push({ object, camera });
  }

  /** `positions[p][f]` in the camera's frame at t0, metres; null behind the end. */
  futureOf(forecast: Forecast): readonly (readonly (Vector3 | null)[])[] {
    const t0 = this.#at(forecast.stamp);
    const steps = forecast.positions[0]?.length ?? 0;
    const later = Array.from({ length: steps }, (_, f) => {
      const then = this.#at(forecast.stamp + fromSeconds((f + 1) * forecast.stepS));
      if (!t0 || !then) return null;
      const { object, camera } = t0;
      return compose(invert(camera), compose(then.object, compose(invert(object), camera)));
    });
    return forecast.start.map((point) => later.map((moved) => moved && transformPoint(moved, point)));
  }

  #at(stamp: Nanoseconds): { readonly object: Transform; readonly camera: Transform } | null {
    if (this.#start === null) return null;
    return this.#poses[Math.round(Number(stamp - this.#start) / Number(this.#step))] ?? null;
  }
}
