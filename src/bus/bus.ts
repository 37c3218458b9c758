import type { Observable } from 'rxjs';
import type { PlannerError } from '../core/errors.js';
import type { Nanoseconds } from '../core/time.js';
import type { Clock } from './clock.js';
import type { MessageType, MessageTypes, ServiceType, ServiceTypes } from './messages.js';

export interface Qos {
  readonly reliability: 'reliable' | 'best_effort';
  /** transient_local keeps the last `depth` messages for subscribers that come later (/tf_static). */
  readonly durability: 'volatile' | 'transient_local';
  readonly depth: number;
}

export const DEFAULT_QOS: Qos = { reliability: 'reliable', durability: 'volatile', depth: 10 };
/** For sensor topics: a reliable subscriber would never match a driver that publishes best-effort. */
export const SENSOR_QOS: Qos = { reliability: 'best_effort', durability: 'volatile', depth: 5 };
export const LATCHED_QOS: Qos = { reliability: 'reliable', durability: 'transient_local', depth: 1 };
/** /tf_static: many broadcasters, each keeping its own. */
export const STATIC_TF_QOS: Qos = { reliability: 'reliable', durability: 'transient_local', depth: 100 };

/** A message with the receiver's time. Messages are shared between subscribers and must not be changed. */
export interface Stamped<M> {
  readonly message: M;
  /** When the bus delivered it, on the bus's clock. The time of measurement is in the message's header. */
  readonly receivedAt: Nanoseconds;
  /** The message as CDR bytes, without encoding it again where it came that way. */
  readonly cdr: Uint8Array;
}

export interface Publisher<M> {
  /** A message object, or its CDR bytes as recorded. */
  publish(message: M | Uint8Array): void;
  /** Work for nobody can be left out. */
  readonly subscriberCount: number;
  close(): void;
}

export interface TopicDescription {
  readonly topic: string;
  readonly type: MessageType;
}

/** The only door to the outside. Messages on it are ROS 2 messages as plain objects. */
export interface Bus {
  readonly clock: Clock;
  readonly topics: readonly TopicDescription[];
  /** What goes wrong outside of any call, such as a publisher that no subscriber here can hear. Late subscribers are told what was said before. */
  readonly problems: Observable<PlannerError>;
  subscribe<T extends MessageType>(topic: string, type: T, qos?: Qos): Observable<Stamped<MessageTypes[T]>>;
  advertise<T extends MessageType>(topic: string, type: T, qos?: Qos): Publisher<MessageTypes[T]>;
  /** Answers calls of a service until the returned function is called. */
  serve<T extends ServiceType>(
    name: string,
    type: T,
    answer: (request: ServiceTypes[T]['request']) => Promise<ServiceTypes[T]['response']>,
  ): () => void;
  /** @throws RetryableError `bus.no-service` when nobody serves the name. */
  call<T extends ServiceType>(
    name: string,
    type: T,
    request: ServiceTypes[T]['request'],
  ): Promise<ServiceTypes[T]['response']>;
  close(): Promise<void>;
}
