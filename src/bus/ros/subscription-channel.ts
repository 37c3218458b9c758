import type { Subscriber } from 'rxjs';
import type { Nanoseconds } from '../../core/time.js';
import type { Stamped } from '../bus.js';
import { decodeCdr } from '../cdr.js';
import type { MessageType, MessageTypes } from '../messages.js';

/** One subscription on the graph for everybody in this process who asks for the same topic in the same way: a picture is received once. */
export class SubscriptionChannel {
  readonly #subscribers = new Set<Subscriber<Stamped<unknown>>>();

  /** Bytes must be the receiver's own: they are handed on without a copy. */
  deliver(type: MessageType, cdr: Uint8Array, receivedAt: Nanoseconds): void {
    const delivery = new Delivery(type, cdr, receivedAt);
    for (const subscriber of this.#subscribers) subscriber.next(delivery);
  }

  add(subscriber: Subscriber<Stamped<unknown>>): void {
    this.#subscribers.add(subscriber);
  }

  /** @returns whether nobody is left. */
  remove(subscriber: Subscriber<Stamped<unknown>>): boolean {
    this.#subscribers.delete(subscriber);
    return this.#subscribers.size === 0;
  }

  complete(): void {
    for (const subscriber of [...this.#subscribers]) subscriber.complete();
  }
}

/** Decoded on first use: a picture that a newer one replaces is never looked at. */
class Delivery<T extends MessageType> implements Stamped<MessageTypes[T]> {
  readonly receivedAt: Nanoseconds;
  readonly cdr: Uint8Array;
  readonly #type: T;
  #message: MessageTypes[T] | undefined;

  constructor(type: T, cdr: Uint8Array, receivedAt: Nanoseconds) {
    this.#type = type;
    this.cdr = cdr;
    this.receivedAt = receivedAt;
  }

  get message(): MessageTypes[T] {
    return (this.#message ??= decodeCdr(this.#type, this.cdr));
  }
}
