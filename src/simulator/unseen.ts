import type { Scene, SceneObject } from './scene.js';
import type { SceneConfig } from './scene-config.js';

/** What about a task is held out of the training episodes: a policy that was trained on them has never seen it. */
export interface Unseen {
  /** The object to be moved. */
  readonly object: boolean;
  /** The place where that object starts. */
  readonly layout: boolean;
}

/** What is held out of the task of a scene. */
export function unseenIn(config: SceneConfig, { objects, task }: Scene): Unseen {
  return unseenOf(
    config,
    objects.find(({ name }) => name === task.object)!,
  );
}

/** What would be held out of a task that moves this object. */
export function unseenOf({ heldOut }: SceneConfig, { label, position: [x, y] }: SceneObject): Unseen {
  const isWithin = (value: number, [low, high]: readonly [number, number]): boolean => value >= low && value <= high;
  return {
    object: heldOut?.objects.includes(label) ?? false,
    layout: heldOut !== undefined && isWithin(x, heldOut.start.x) && isWithin(y, heldOut.start.y),
  };
}
