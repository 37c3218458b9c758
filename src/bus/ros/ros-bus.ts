import { Observable, ReplaySubject } from 'rxjs';
import { ConfigurationError, describeError, RetryableError, type PlannerError } from '../../core/errors.js';
import { DEFAULT_QOS, type Bus, type Publisher, type Qos, type Stamped, type TopicDescription } from '../bus.js';
import { encodeCdr } from '../cdr.js';
import type { Clock } from '../clock.js';
import { isKnownType } from '../definitions.js';
import type { MessageType, MessageTypes, ServiceType, ServiceTypes } from '../messages.js';
import { qosEvents } from './qos-events.js';
import type { RclClient, RclPublisher } from './rclnodejs.js';
import type { RosNode } from './ros-node.js';
import { commonQos, toRclQos } from './ros-qos.js';
import { SubscriptionChannel } from './subscription-channel.js';

/** A topic of the graph that somebody else publishes. */
export interface GraphTopic {
  readonly topic: string;
  readonly type: string;
  /** The QoS under which all of its publishers are heard. */
  readonly qos: Qos;
}

/** Longest time that a call of a service waits for somebody who serves it, and then for the answer. */
const SERVICE_TIMEOUT_MS = 2000;
const ANSWER_TIMEOUT_MS = 60_000;
/** Problems that are kept for whoever asks later. */
const KEPT_PROBLEMS = 32;

/**
 * The ROS 2 graph as a bus. Messages travel as CDR bytes that are encoded and decoded here: rclnodejs's own conversion copies pictures field by field,
 * sends wrong bytes for views into larger buffers, and crashes on a field of the wrong type.
 */
export class RosBus implements Bus {
  readonly clock: Clock;
  readonly #problems = new ReplaySubject<PlannerError>(KEPT_PROBLEMS);
  readonly problems: Observable<PlannerError> = this.#problems.asObservable();
  readonly #ros: RosNode;
  readonly #onClose: () => void;
  /** Types of the topics that are used here, by the name on the graph. */
  readonly #types = new Map<string, MessageType>();
  readonly #shared = new Map<string, { readonly channel: SubscriptionChannel; readonly end: () => void }>();
  readonly #channels = new Set<SubscriptionChannel>();
  readonly #clients = new Map<string, RclClient>();
  #closed = false;

  /** @param onClose closes the clock and what feeds it. The node is closed with the bus. */
  constructor(ros: RosNode, clock: Clock, onClose: () => void) {
    this.#ros = ros;
    this.clock = clock;
    this.#onClose = onClose;
  }

  /** Of the whole graph, as far as it has been discovered, with what is advertised here; those whose types are known here. */
  get topics(): readonly TopicDescription[] {
    const topics = new Map<string, MessageType>(this.#types);
    for (const { name, types } of this.#ros.node.getTopicNamesAndTypes()) {
      const type = types.find(isKnownType);
      if (type !== undefined) topics.set(name, type);
    }
    return [...topics].map(([topic, type]) => ({ topic, type })).sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  /** What others publish, of any type. */
  graphTopics(): readonly GraphTopic[] {
    const { node, fullName } = this.#ros;
    return node.getTopicNamesAndTypes().flatMap(({ name: topic, types }) => {
      const others = node
        .getPublishersInfoByTopic(topic, false)
        .filter(({ node_name: name, node_namespace: space }) => `${space === '/' ? '' : space}/${name}` !== fullName);
      return others.length === 0 ? [] : types.map((type) => ({ topic, type, qos: commonQos(others) }));
    });
  }

  subscribe<T extends MessageType>(
    topic: string,
    type: T,
    qos: Qos = DEFAULT_QOS,
  ): Observable<Stamped<MessageTypes[T]>> {
    this.#claim(topic, type);
    return new Observable((subscriber) => {
      // Whoever asks for kept messages is told them by a subscription of its own.
      if (qos.durability === 'transient_local') {
        const { channel, end } = this.#open(topic, type, qos);
        channel.add(subscriber);
        return end;
      }
      const key = JSON.stringify([topic, qos]);
      const shared = this.#shared.get(key) ?? this.#open(topic, type, qos);
      this.#shared.set(key, shared);
      shared.channel.add(subscriber);
      return () => {
        if (!shared.channel.remove(subscriber)) return;
        this.#shared.delete(key);
        shared.end();
      };
    });
  }

  advertise<T extends MessageType>(topic: string, type: T, qos: Qos = DEFAULT_QOS): Publisher<MessageTypes[T]> {
    this.#claim(topic, type);
    const publisher = this.#createPublisher(topic, type, qos);
    let open = true;
    return {
      publish: (message) => {
        if (!open || this.#closed) throw closedError(topic);
        if (!publisher) return;
        const cdr = message instanceof Uint8Array ? message : encodeCdr(type, message);
        publisher.publish(Buffer.from(cdr.buffer, cdr.byteOffset, cdr.byteLength));
      },
      get subscriberCount() {
        return open && publisher ? publisher.subscriptionCount : 0;
      },
      close: () => {
        if (!open || this.#closed) return;
        open = false;
        if (publisher) this.#ros.node.destroyPublisher(publisher);
      },
    };
  }

  serve<T extends ServiceType>(
    name: string,
    type: T,
    answer: (request: ServiceTypes[T]['request']) => Promise<ServiceTypes[T]['response']>,
  ): () => void {
    if (this.#closed) throw closedError(name);
    const service = this.#ros.node.createService(type, name, {}, (request, response) => {
      answer(request as ServiceTypes[T]['request']).then(
        (message) => {
          // Who asked may have waited for longer than this node lives.
          if (!this.#closed) response.send(message);
        },
        (cause: unknown) => {
          this.#problems.next(
            new RetryableError({
              code: 'ros.service',
              message: `a call of ${name} failed: ${describeError(cause)}`,
              remedy: 'this is a fault of the software: please report it',
              cause,
            }),
          );
        },
      );
    });
    return () => {
      if (!this.#closed) this.#ros.node.destroyService(service);
    };
  }

  async call<T extends ServiceType>(
    name: string,
    type: T,
    request: ServiceTypes[T]['request'],
  ): Promise<ServiceTypes[T]['response']> {
    if (this.#closed) throw closedError(name);
    const key = `${type} ${name}`;
    const client = this.#clients.get(key) ?? this.#ros.node.createClient(type, name);
    this.#clients.set(key, client);
    if (!client.isServiceServerAvailable() && !(await client.waitForService(SERVICE_TIMEOUT_MS))) {
      throw new RetryableError({
        code: 'bus.no-service',
        message: `nobody serves ${name} as ${type}`,
        remedy: 'start the node that serves it, or check the name and namespace',
      });
    }
    try {
      return (await client.sendRequestAsync(request, { timeout: ANSWER_TIMEOUT_MS })) as ServiceTypes[T]['response'];
    } catch (cause) {
      throw new RetryableError({
        code: 'bus.no-answer',
        message: `${name} was called and did not answer within ${ANSWER_TIMEOUT_MS / 1000} s`,
        remedy: 'look at the node that serves it',
        cause,
      });
    }
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    for (const channel of [...this.#channels]) channel.complete();
    this.#closed = true;
    this.#onClose();
    this.#problems.complete();
    this.#ros.close();
    return Promise.resolve();
  }

  /** @throws ConfigurationError `bus.type-mismatch`: DDS lets two types stand on one topic, and then nothing arrives. */
  #claim(topic: string, type: MessageType): void {
    if (this.#closed) throw closedError(topic);
    const onGraph = this.#ros.node.getTopicNamesAndTypes().find(({ name }) => name === topic)?.types ?? [];
    const other = this.#types.get(topic) ?? onGraph.find((one) => one !== type);
    if (other !== undefined && other !== type && !onGraph.includes(type)) {
      throw new ConfigurationError({
        code: 'bus.type-mismatch',
        message: `topic ${topic} carries ${other}, not ${type}`,
        remedy: 'use the type that is on the topic, or another topic name',
      });
    }
    this.#types.set(topic, type);
  }

  #open(
    topic: string,
    type: MessageType,
    qos: Qos,
  ): { readonly channel: SubscriptionChannel; readonly end: () => void } {
    const channel = new SubscriptionChannel();
    this.#channels.add(channel);
    const { rcl, node } = this.#ros;
    const subscription = this.#create(topic, type, () =>
      node.createSubscription(
        type,
        topic,
        { isRaw: true, qos: toRclQos(rcl, qos) },
        (bytes) => {
          channel.deliver(type, bytes, this.clock.now());
        },
        qosEvents(rcl, 'subscription', topic, qos, (problem) => {
          this.#problems.next(problem);
        }),
      ),
    );
    const end = (): void => {
      this.#channels.delete(channel);
      if (subscription && !this.#closed) node.destroySubscription(subscription);
    };
    return { channel, end };
  }

  #createPublisher(topic: string, type: MessageType, qos: Qos): RclPublisher | null {
    const { rcl, node } = this.#ros;
    const events = qosEvents(rcl, 'publisher', topic, qos, (problem) => {
      this.#problems.next(problem);
    });
    return this.#create(topic, type, () => node.createPublisher(type, topic, { qos: toRclQos(rcl, qos) }, events));
  }

  /** A message type that this installation does not have is reported, and what goes over other topics goes on: our own messages are optional. */
  #create<E>(topic: string, type: MessageType, make: () => E): E | null {
    try {
      return make();
    } catch (cause) {
      this.#problems.next(
        new ConfigurationError({
          code: 'ros.type',
          message: `${topic} is left out, because ${type} cannot be used here: ${describeError(cause).split('\n')[0]!}`,
          remedy: 'build the package that defines it with colcon and source its install/setup.bash',
          cause,
        }),
      );
      return null;
    }
  }
}

function closedError(name: string): ConfigurationError {
  return new ConfigurationError({
    code: 'bus.closed',
    message: `${name} was used after the bus or publisher was closed`,
    remedy: 'stop publishing before closing the bus',
  });
}
