import { ConfigurationError } from '../../core/errors.js';
import type { Qos } from '../bus.js';
import type { Rclnodejs } from './rclnodejs.js';

/** Bits of rmw/qos_policy_kind.h. */
const POLICIES: ReadonlyMap<number, string> = new Map([
  [2, 'durability'],
  [4, 'deadline'],
  [8, 'liveliness'],
  [16, 'reliability'],
  [32, 'history'],
  [64, 'lifespan'],
]);

/**
 * Tells of partners that can never be matched: DDS itself says nothing, and nothing arrives.
 * @returns undefined on distributions before Jazzy, where rclnodejs cannot tell.
 */
export function qosEvents(
  rcl: Rclnodejs,
  end: 'subscription' | 'publisher',
  topic: string,
  { reliability, durability }: Qos,
  tell: (problem: ConfigurationError) => void,
): object | undefined {
  let events: { incompatibleQos: (event: { readonly last_policy_kind?: number }) => void };
  try {
    events = end === 'subscription' ? new rcl.SubscriptionEventCallbacks() : new rcl.PublisherEventCallbacks();
  } catch {
    // Humble has no such events; doctor compares the QoS of both ends there.
    return undefined;
  }
  events.incompatibleQos = ({ last_policy_kind: kind }) => {
    const policy = POLICIES.get(Number(kind)) ?? 'QoS';
    tell(
      new ConfigurationError({
        code: 'ros.qos',
        message:
          end === 'subscription'
            ? `a publisher on ${topic} cannot be heard: it offers less ${policy} than is asked for here (${reliability}, ${durability})`
            : `a subscriber on ${topic} hears nothing: it asks for more ${policy} than is offered here (${reliability}, ${durability})`,
        remedy: `give both ends of ${topic} the same ${policy}; see them with: ros2 topic info -v ${topic}`,
      }),
    );
  };
  return events;
}
