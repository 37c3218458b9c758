import { MessageReader, MessageWriter } from '@foxglove/rosmsg2-serialization';
import type { MessageDefinition } from '@foxglove/message-definition';
import { definitionsOf } from './definitions.js';
import type { MessageType, MessageTypes } from './messages.js';

const readers = new Map<MessageType, MessageReader>();
const writers = new Map<MessageType, MessageWriter>();

/** Message object to little-endian CDR bytes (XCDR1). */
export function encodeCdr<T extends MessageType>(type: T, message: MessageTypes[T]): Uint8Array {
  let writer = writers.get(type);
  if (!writer) {
    writer = new MessageWriter([...definitionsOf(type)]);
    writers.set(type, writer);
  }
  return writer.writeMessage(message);
}

/**
 * CDR bytes to a message object. Byte arrays borrow the buffer, so it must stay unchanged while the message is in use.
 * @throws RangeError or Error where the bytes end early or are no CDR.
 */
export function decodeCdr<T extends MessageType>(type: T, bytes: Uint8Array): MessageTypes[T] {
  let reader = readers.get(type);
  if (!reader) {
    reader = cdrReader(definitionsOf(type));
    readers.set(type, reader);
  }
  return reader.readMessage<MessageTypes[T]>(bytes);
}

/** A reader for definitions that came with a file. */
export function cdrReader(definitions: readonly MessageDefinition[]): MessageReader {
  return new MessageReader([...definitions]);
}
