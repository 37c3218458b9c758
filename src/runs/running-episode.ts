import type { Assembly } from '../assembly/assembly.js';
import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { Scene } from '../simulator/scene.js';

/** A running episode, for whoever shows it. */
export interface RunningEpisode {
  readonly scene: Scene;
  readonly bus: MemoryBus;
  readonly assembly: Assembly;
}
