import { quat, vec3 } from 'gl-matrix';
import type { Arm } from '../core/arm.js';
import { checkForecast, type Forecast } from '../core/forecast.js';
import { forecastHeader, type Forecaster, type ForecastRequest } from '../forecasting/forecaster.js';
import { compose, invert, transformPoint, type Transform } from '../geometry/transform.js';
import { expertCommands } from './expert.js';
import type { Scene } from './scene.js';
import { Simulation } from './simulation.js';

/** Where the object of the scene's task is at every period while the scripted expert works, beginning before its first command. */
export async function expertMotion(arm: Arm, scene: Scene, periodS: number): Promise<readonly Transform[]> {
  const simulation = await Simulation.create(arm, scene);
  try {
    const poses = [simulation.poseOf(scene.task.object)];
    for (const { positions, gripperWidthM } of expertCommands(arm, simulation, periodS, scene.seed)) {
      simulation.moveArm(positions, periodS);
      simulation.moveGripper(gripperWidthM);
      simulation.advance(periodS);
      poses.push(simulation.poseOf(scene.task.object));
    }
    return poses;
  } finally {
    simulation.close();
  }
}

export interface ExpertForecasterOptions {
  readonly horizon: number;
  readonly historySize: number;
}

/** Poses that are nearer to each other than this are one place, metres. */
const SAME_PLACE_M = 0.004;

/**
 * The true future of the object's points: where they go when the scripted expert does the task. It begins where the expert's way is nearest to where
 * the object now is; an object that still stands where it stood is about to move.
 */
export class ExpertForecaster implements Forecaster {
  readonly name = 'truth';
  readonly horizon: number;
  readonly historySize: number;
  readonly #motion: readonly Transform[];
  readonly #now: () => { readonly object: Transform; readonly camera: Transform };

  /** @param motion of the object, one pose for each step of the forecasts. @param now true poses of the object and of the forecasting camera. */
  constructor(
    motion: readonly Transform[],
    now: () => { readonly object: Transform; readonly camera: Transform },
    { horizon, historySize }: ExpertForecasterOptions,
  ) {
    this.#motion = motion;
    this.#now = now;
    this.horizon = horizon;
    this.historySize = historySize;
  }

  forecast(request: ForecastRequest): Promise<Forecast> {
    const { object, camera } = this.#now();
    const header = forecastHeader(request, this.name);
    const row = this.#rowAt(object);
    const fromCamera = compose(invert(object), camera);
    // An object that was pushed or has rolled turns as the expert's does from here on.
    const turn = quat.conjugate([0, 0, 0, 1], this.#motion[row]!.rotation);
    quat.multiply(turn, turn, object.rotation);
    const toCamera = Array.from({ length: this.horizon }, (_, f) => {
      const { translation, rotation } = this.#motion[Math.min(row + 1 + f, this.#motion.length - 1)]!;
      return compose(invert(camera), { translation, rotation: quat.multiply([0, 0, 0, 1], rotation, turn) });
    });
    return Promise.resolve(
      checkForecast({
        ...header,
        positions: header.start.map((point) => {
          const onObject = transformPoint(fromCamera, point);
          return toCamera.map((moved) => transformPoint(moved, onObject));
        }),
      }),
    );
  }

  /** The last of the places that are nearest. */
  #rowAt({ translation }: Transform): number {
    const away = this.#motion.map((pose) => vec3.distance(pose.translation, translation));
    const least = Math.min(...away);
    return away.findLastIndex((m) => m <= least + SAME_PLACE_M);
  }
}
