import type { Qos } from '../bus.js';
import type { Rclnodejs, RclEndpoint, RclQos } from './rclnodejs.js';

/** Numbers of rmw/types.h. */
const KEEP_LAST = 1;
const RELIABLE = 1;
const BEST_EFFORT = 2;
const TRANSIENT_LOCAL = 1;
const VOLATILE = 2;
/** What a publisher that keeps everything, or does not say, is taken to keep. */
const UNKNOWN_DEPTH = 10;

export function toRclQos({ QoS }: Rclnodejs, { reliability, durability, depth }: Qos): RclQos {
  return new QoS(
    KEEP_LAST,
    depth,
    reliability === 'reliable' ? RELIABLE : BEST_EFFORT,
    durability === 'transient_local' ? TRANSIENT_LOCAL : VOLATILE,
  );
}

/** The QoS that a subscriber may ask for to hear all of these publishers: no more than the least of them offers. */
export function commonQos(publishers: readonly RclEndpoint[]): Qos {
  const offered = publishers.map(({ qos_profile: profile }) => profile);
  return {
    reliability: offered.every(({ reliability }) => reliability === RELIABLE) ? 'reliable' : 'best_effort',
    durability: offered.every(({ durability }) => durability === TRANSIENT_LOCAL) ? 'transient_local' : 'volatile',
    depth: Math.max(UNKNOWN_DEPTH, ...offered.map(({ depth }) => depth)),
  };
}
