import type { ModelSource } from '../assembly/model-source.js';
import type { Truth, World, WorldTopic } from '../assembly/world.js';
import type { Bus, Qos } from '../bus/bus.js';
import { toSeconds } from '../core/time.js';

/** A topic of the graph that somebody else publishes. */
export interface PublishedTopic {
  readonly topic: string;
  readonly type: string;
  readonly qos: Qos;
}

/** Ages are measured on the bus's clock with its jumps taken out, so that simulated time that stands still makes nothing old. */
export function monotonicTime({ clock }: Bus): () => number {
  const start = clock.now();
  let jumped = 0n;
  clock.jumps.subscribe((by) => {
    jumped += by;
  });
  return () => toSeconds(clock.now() - jumped - start);
}

/** A robot, real or simulated, on a graph of others: nothing is known but what is published. */
export function robotWorld(
  bus: Bus,
  {
    monotonicS,
    topics,
    models,
    truth,
  }: {
    readonly monotonicS: () => number;
    readonly topics: readonly PublishedTopic[];
    readonly models: ModelSource;
    readonly truth: Truth | null;
  },
): World {
  return {
    bus,
    monotonicS,
    topics: topics.map(({ topic, type, qos }): WorldTopic => ({ topic, type, qos })),
    models,
    isCommanded: true,
    tracks: null,
    clip: null,
    truth,
  };
}
