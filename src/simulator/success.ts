import { WALL_M } from './scene.js';
import type { Simulation } from './simulation.js';

/** Released, at rest, and inside: what physics says of a pick-and-place. */
export interface Outcome {
  readonly success: boolean;
  /** Why not; null for a success. */
  readonly failure: 'held' | 'outside' | 'moving' | null;
}

const RELEASED_WIDTH_M = 0.05;
const REST_M_S = 0.02;

/** The object of the task rests in its receptacle and the gripper is open. */
export function judge(simulation: Simulation): Outcome {
  const { scene } = simulation;
  const object = scene.objects.find(({ name }) => name === scene.task.object)!;
  const receptacle = scene.receptacles.find(({ name }) => name === scene.task.receptacle)!;
  const fail = (failure: Outcome['failure']): Outcome => ({ success: false, failure });
  if (simulation.gripperWidthM < RELEASED_WIDTH_M || simulation.isHeld(object.name)) return fail('held');
  const [x, y, z] = simulation.poseOf(object.name).translation;
  const [cx, cy] = receptacle.position;
  const away = Math.hypot(x - cx, y - cy);
  const highest = receptacle.height + Math.max(...object.halfSize) + WALL_M;
  if (away > receptacle.radius / Math.cos(Math.PI / receptacle.walls) || z > highest || z < WALL_M)
    return fail('outside');
  return simulation.speedOf(object.name) > REST_M_S ? fail('moving') : { success: true, failure: null };
}
