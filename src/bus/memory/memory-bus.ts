import { NEVER, Observable, type Subscriber } from 'rxjs';
import { ConfigurationError, RetryableError } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/time.js';
import { DEFAULT_QOS, type Bus, type Publisher, type Qos, type Stamped, type TopicDescription } from '../bus.js';
import { decodeCdr, encodeCdr } from '../cdr.js';
import type { Clock } from '../clock.js';
import type { MessageType, MessageTypes, ServiceType, ServiceTypes } from '../messages.js';

interface Subscription {
  readonly qos: Qos;
  readonly subscriber: Subscriber<Stamped<unknown>>;
}

interface Topic {
  readonly type: MessageType;
  readonly subscriptions: Set<Subscription>;
  /** Last messages of each publisher that is transient_local, in the order they were delivered. */
  readonly kept: { readonly publisher: symbol; readonly message: Stamped<unknown> }[];
}

/** A bus within this process. Delivery is synchronous and in order of publication: with a virtual clock a run repeats exactly. */
export class MemoryBus<C extends Clock & { close(): void } = Clock & { close(): void }> implements Bus {
  readonly problems = NEVER;
  readonly #topics = new Map<string, Topic>();
  readonly #services = new Map<string, { type: ServiceType; answer: (request: never) => Promise<unknown> }>();
  readonly #queue: (() => void)[] = [];
  #delivering = false;
  #closed = false;

  constructor(readonly clock: C) {}

  get topics(): readonly TopicDescription[] {
    return [...this.#topics].map(([topic, { type }]) => ({ topic, type })).sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  subscribe<T extends MessageType>(
    name: string,
    type: T,
    qos: Qos = DEFAULT_QOS,
  ): Observable<Stamped<MessageTypes[T]>> {
    const topic = this.#topic(name, type);
    return new Observable((subscriber) => {
      const subscription: Subscription = { qos, subscriber: subscriber };
      topic.subscriptions.add(subscription);
      if (qos.durability === 'transient_local') {
        for (const { message } of topic.kept.slice(-qos.depth)) subscription.subscriber.next(message);
      }
      return () => topic.subscriptions.delete(subscription);
    });
  }

  advertise<T extends MessageType>(name: string, type: T, qos: Qos = DEFAULT_QOS): Publisher<MessageTypes[T]> {
    const topic = this.#topic(name, type);
    const matching = (): Subscription[] => [...topic.subscriptions].filter((s) => matches(qos, s.qos));
    let open = true;
    const self = Symbol(name);
    return {
      publish: (message) => {
        if (!open || this.#closed) throw closedError(name);
        const delivery = new Delivery(type, message, this.clock.now());
        this.#deliver(() => {
          // Kept when it is delivered: who subscribes before that gets it with the others, and not twice.
          if (qos.durability === 'transient_local') keep(topic, self, delivery, qos.depth);
          for (const { subscriber } of matching()) subscriber.next(delivery);
        });
      },
      get subscriberCount() {
        return matching().length;
      },
      close: () => {
        open = false;
      },
    };
  }

  serve<T extends ServiceType>(
    name: string,
    type: T,
    answer: (request: ServiceTypes[T]['request']) => Promise<ServiceTypes[T]['response']>,
  ): () => void {
    if (this.#services.has(name)) {
      throw new ConfigurationError({
        code: 'bus.service-taken',
        message: `service ${name} is already served on this bus`,
        remedy: 'serve each name once',
      });
    }
    this.#services.set(name, { type, answer: answer });
    return () => this.#services.delete(name);
  }

  async call<T extends ServiceType>(
    name: string,
    type: T,
    request: ServiceTypes[T]['request'],
  ): Promise<ServiceTypes[T]['response']> {
    const service = this.#services.get(name);
    if (!service || service.type !== type) {
      throw new RetryableError({
        code: 'bus.no-service',
        message: `nobody serves ${name} as ${type}`,
        remedy: 'start the node that serves it, or check the name and namespace',
      });
    }
    return (await service.answer(request as never)) as ServiceTypes[T]['response'];
  }

  close(): Promise<void> {
    this.#closed = true;
    this.clock.close();
    for (const topic of this.#topics.values()) {
      for (const { subscriber } of [...topic.subscriptions]) subscriber.complete();
    }
    this.#services.clear();
    return Promise.resolve();
  }

  #topic(name: string, type: MessageType): Topic {
    if (this.#closed) throw closedError(name);
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { type, subscriptions: new Set(), kept: [] };
      this.#topics.set(name, topic);
    } else if (topic.type !== type) {
      throw new ConfigurationError({
        code: 'bus.type-mismatch',
        message: `topic ${name} carries ${topic.type}, not ${type}`,
        remedy: 'use the type that is on the topic, or another topic name',
      });
    }
    return topic;
  }

  /** What a subscriber publishes while it is being served is delivered after it, so that all see the same order. */
  #deliver(delivery: () => void): void {
    this.#queue.push(delivery);
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) next();
    } finally {
      this.#delivering = false;
    }
  }
}

/** Encoded or decoded on first use: images mostly pass through untouched. */
class Delivery<T extends MessageType> implements Stamped<MessageTypes[T]> {
  #message: MessageTypes[T] | undefined;
  #cdr: Uint8Array | undefined;

  constructor(
    readonly type: T,
    content: MessageTypes[T] | Uint8Array,
    readonly receivedAt: Nanoseconds,
  ) {
    if (content instanceof Uint8Array) this.#cdr = content;
    else this.#message = content;
  }

  get message(): MessageTypes[T] {
    return (this.#message ??= decodeCdr(this.type, this.#cdr!));
  }

  get cdr(): Uint8Array {
    return (this.#cdr ??= encodeCdr(this.type, this.#message!));
  }
}

/** DDS compatibility: a subscriber may ask for no more than the publisher offers. */
function matches(offered: Qos, asked: Qos): boolean {
  if (asked.reliability === 'reliable' && offered.reliability === 'best_effort') return false;
  return !(asked.durability === 'transient_local' && offered.durability === 'volatile');
}

/** Each publisher keeps its own last messages, as in DDS. */
function keep(topic: Topic, publisher: symbol, message: Stamped<unknown>, depth: number): void {
  topic.kept.push({ publisher, message });
  const own = topic.kept.filter((kept) => kept.publisher === publisher);
  if (own.length > depth) topic.kept.splice(topic.kept.indexOf(own[0]!), 1);
}

function closedError(name: string): ConfigurationError {
  return new ConfigurationError({
    code: 'bus.closed',
    message: `${name} was used after the bus or publisher was closed`,
    remedy: 'stop publishing before closing the bus',
  });
}
