import { parse } from '@foxglove/rosmsg';
import { parseRos2idl } from '@foxglove/ros2idl-parser';
import type { MessageDefinition, MessageDefinitionField } from '@foxglove/message-definition';
import type { MessageReader } from '@foxglove/rosmsg2-serialization';
import type { McapTypes } from '@mcap/core';
import { cdrReader } from '../../bus/cdr.js';
import { definitionsOf, isKnownType } from '../../bus/definitions.js';
import type { MessageType } from '../../bus/messages.js';
import { describeError } from '../../core/errors.js';
import type { ProblemLog } from '../recording.js';

/** How one channel's messages are read. */
export interface ChannelReader {
  readonly topic: string;
  /** As the file names it. */
  readonly typeName: string;
  /** Null when messages of this channel are not played. */
  readonly type: MessageType | null;
  /** Undefined where the file does not tell. */
  readonly latched: boolean | undefined;
  /** Set when the file defines the type otherwise than we do: its messages are decoded with the file's definition. */
  readonly foreign: MessageReader | null;
}

/** Channels that cannot be played are reported once, and skipped. */
export function channelReader(
  channel: McapTypes.TypedMcapRecords['Channel'],
  schema: McapTypes.TypedMcapRecords['Schema'] | undefined,
  problems: ProblemLog,
): ChannelReader {
  const typeName = schema?.name ?? '';
  // rosbag2 writes the policy by name since Jazzy, by number (1) before.
  const offered = channel.metadata.get('offered_qos_profiles');
  const latched = offered ? /durability: (transient_local|1)\b/.test(offered) : undefined;
  const base = { topic: channel.topic, typeName, latched, foreign: null };
  const skip = (why: string): ChannelReader => {
    problems.add('mcap.channel', `topic ${channel.topic} is skipped: ${why}`, channel.topic);
    return { ...base, type: null };
  };
  if (channel.messageEncoding !== 'cdr')
    return skip(`its messages are encoded as "${channel.messageEncoding}", not cdr`);
  if (!schema) return skip('it has no schema');
  const name = typeName.includes('/msg/') ? typeName : typeName.replace('/', '/msg/');
  // Types that no stage reads are no fault of the file.
  if (!isKnownType(name)) return { ...base, type: null };
  const text = new TextDecoder().decode(schema.data);
  try {
    const parsed = schema.encoding === 'ros2idl' ? parseRos2idl(text) : parse(text, { ros2: true });
    // A .msg text leaves the message itself without a name.
    const definitions = parsed.map((d) => (d.name === undefined ? { ...d, name } : d));
    const same = sameLayout(definitions, definitionsOf(name), name);
    return { ...base, type: name, foreign: same ? null : cdrReader(rooted(definitions, name)) };
  } catch (error) {
    return skip(`its ${schema.encoding} schema cannot be read (${describeError(error)})`);
  }
}

const shortName = (name: string): string => name.replace('/msg/', '/');

function find(definitions: readonly MessageDefinition[], name: string): MessageDefinition | undefined {
  return definitions.find((d) => d.name !== undefined && shortName(d.name) === shortName(name));
}

/** The reader takes the one unnamed definition as the message. */
function rooted(definitions: readonly MessageDefinition[], name: string): MessageDefinition[] {
  const root = find(definitions, name);
  if (!root) return [...definitions];
  return [{ definitions: root.definitions }, ...definitions.filter((d) => d !== root)];
}

function sameLayout(a: readonly MessageDefinition[], b: readonly MessageDefinition[], name: string): boolean {
  const fieldsOf = (definitions: readonly MessageDefinition[]): MessageDefinitionField[] | undefined =>
    find(definitions, name)?.definitions.filter((field) => field.isConstant !== true);
  const left = fieldsOf(a);
  const right = fieldsOf(b);
  if (left?.length !== right?.length || !left || !right) return false;
  return left.every((field, i) => {
    const other = right[i]!;
    return (
      field.name === other.name &&
      shortName(field.type) === shortName(other.type) &&
      (field.isArray ?? false) === (other.isArray ?? false) &&
      field.arrayLength === other.arrayLength &&
      (field.isComplex !== true || sameLayout(a, b, field.type))
    );
  });
}
