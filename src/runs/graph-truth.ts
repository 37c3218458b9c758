import { SENSOR_QOS, type Bus } from '../bus/bus.js';
import type { Arm } from '../core/arm.js';
import { RetryableError } from '../core/errors.js';
import type { MaskImage } from '../core/images.js';
import { fromTimeMessage, MODEL_STEP_S, type Nanoseconds } from '../core/time.js';
import type { Truth } from '../assembly/world.js';
import type { Transform } from '../geometry/transform.js';
import { ExpertForecaster, expertMotion } from '../simulator/expert-forecaster.js';
import type { Scene } from '../simulator/scene.js';
import { withTask } from '../simulator/task.js';
import { maskTopic, OBJECT_FRAME } from './robot-on-graph.js';

/** Masks are kept of so many pictures of a camera: a forecast looks at the newest, and takes its time. */
const KEPT_MASKS = 32;

interface KeptMask {
  readonly stamp: Nanoseconds;
  readonly mask: MaskImage;
}

/** What `molmo-motion simulate` tells of its scene beside what a robot does, listened to on the graph: where the task's object is and what shows it. */
export class GraphTruth implements Truth {
  readonly #arm: Arm;
  readonly #scene: Scene;
  readonly #masks = new Map<string, KeptMask[]>();
  readonly #subscriptions: { unsubscribe(): void }[];
  #object: Transform | null = null;

  /** @param scene that the robot on the graph simulates. */
  constructor(bus: Bus, arm: Arm, scene: Scene) {
    this.#arm = arm;
    this.#scene = scene;
    this.#subscriptions = [
      bus.subscribe('/tf', 'tf2_msgs/msg/TFMessage').subscribe(({ message }) => {
        const found = message.transforms.find(({ child_frame_id: child }) => child === OBJECT_FRAME);
        if (!found) return;
        const { translation: t, rotation: r } = found.transform;
        this.#object = { translation: [t.x, t.y, t.z], rotation: [r.x, r.y, r.z, r.w] };
      }),
      ...scene.cameras.map(({ name }) =>
        bus.subscribe(maskTopic(name), 'sensor_msgs/msg/Image', SENSOR_QOS).subscribe(({ message }) => {
          const { header, width, height, data } = message;
          const kept = this.#masks.get(name) ?? [];
          this.#masks.set(name, [
            ...kept.slice(1 - KEPT_MASKS),
            { stamp: fromTimeMessage(header.stamp), mask: { width, height, data } },
          ]);
        }),
      ),
    ];
  }

  readonly forecaster: Truth['forecaster'] = async ({ steps, historySize }) =>
    new ExpertForecaster(await expertMotion(this.#arm, this.#scene, MODEL_STEP_S), () => this.#now(), {
      horizon: steps,
      historySize,
    });

  readonly maskOf: Truth['maskOf'] = (instruction, { camera, stamp }) => {
    if (withTask(this.#scene, instruction).task.object !== this.#scene.task.object) return null;
    return this.#masks.get(camera)?.find((one) => one.stamp === stamp)?.mask ?? null;
  };

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #now(): { readonly object: Transform; readonly camera: Transform } {
    const { cameras } = this.#scene;
    const camera = cameras.find(({ mount }) => mount === 'base') ?? cameras[0]!;
    if (this.#object) return { object: this.#object, camera: camera.pose };
    throw new RetryableError({
      code: 'truth.object',
      message: `nobody has said yet where the object is (frame ${OBJECT_FRAME} on /tf)`,
      remedy: 'start molmo-motion simulate with the same --seed',
    });
  }
}
