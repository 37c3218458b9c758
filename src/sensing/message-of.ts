import { decodeCdr } from '../bus/cdr.js';
import type { MessageType, MessageTypes } from '../bus/messages.js';
import { describeError, InputError } from '../core/errors.js';

/** A message object, or its CDR bytes, as an object. @throws InputError `message.unreadable`. */
export function messageOf<T extends MessageType>(topic: string, type: T, content: unknown): MessageTypes[T] {
  if (!(content instanceof Uint8Array)) return content as MessageTypes[T];
  try {
    return decodeCdr(type, content);
  } catch (cause) {
    throw unreadableMessage(topic, cause);
  }
}

export function unreadableMessage(topic: string, cause: unknown): InputError {
  return new InputError({
    code: 'message.unreadable',
    message: `a message on ${topic} cannot be read: ${describeError(cause)}`,
    remedy: 'check that its publisher uses the message type of the topic',
    cause,
  });
}
