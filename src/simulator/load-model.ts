import loadMujoco, { type MainModule, type MjModel } from '@mujoco/mujoco';
import type { Arm } from '../core/arm.js';
import { describeError, InputError, RetryableError } from '../core/errors.js';
import type { Scene } from './scene.js';
import { worldMjcf } from './world-mjcf.js';

/** What the library says when its memory is used up, which says nothing about the scene. */
const OUT_OF_MEMORY = /bad_alloc|allocate|null function|memory/i;

let library: Promise<MainModule> | null = null;

/** MuJoCo, and its model of a scene. @throws InputError `simulation.scene` for a scene that MuJoCo refuses, RetryableError `simulation.memory`. */
export async function loadModel(arm: Arm, scene: Scene): Promise<{ readonly mj: MainModule; readonly model: MjModel }> {
  const mj = await (library ??= loadMujoco());
  try {
    const model = mj.MjModel.from_xml_string(worldMjcf(arm, scene));
    return { mj, model };
  } catch (cause) {
    const why = describeError(cause);
    if (OUT_OF_MEMORY.test(why)) {
      throw new RetryableError({
        code: 'simulation.memory',
        message: `MuJoCo ran out of memory at the scene of seed ${scene.seed}: ${why}`,
        remedy: 'run the command again: what is done is kept',
        cause,
      });
    }
    throw new InputError({
      code: 'simulation.scene',
      message: `MuJoCo refuses the scene of seed ${scene.seed}: ${why}`,
      remedy: 'check sizes and masses in its description',
      cause,
    });
  }
}
