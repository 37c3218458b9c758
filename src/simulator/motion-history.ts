import type { Forecast } from '../core/forecast.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { compose, invert, transformPoint, type Transform } from '../geometry/transform.js';

/** Where an object was at every moment of a simulation: forecasts of points on it are held to this afterwards. */
export class MotionHistory {
  readonly #nearest: Nanoseconds;
  readonly #moments: Moment[] = [];

  /** @param step between two moments; one that is further away than half of it says nothing. */
  constructor(step: Nanoseconds) {
    this.#nearest = step / 2n;
  }

  /** True poses in the world; moments come in their order. */
  add(stamp: Nanoseconds, object: Transform, camera: Transform): void {
    this.#moments.push({ stamp, object, camera });
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

  #at(stamp: Nanoseconds): Moment | null {
    const later = this.#moments.findIndex((moment) => moment.stamp >= stamp - this.#nearest);
    const near = this.#moments.slice(later, later + 2).filter((moment) => moment.stamp - stamp <= this.#nearest);
    const away = (moment: Moment): Nanoseconds => (moment.stamp > stamp ? moment.stamp - stamp : stamp - moment.stamp);
    return later < 0
      ? null
      : near.reduce<Moment | null>((best, one) => (best && away(best) <= away(one) ? best : one), null);
  }
}

interface Moment {
  readonly stamp: Nanoseconds;
  readonly object: Transform;
  readonly camera: Transform;
}
