import type { MessageReader } from '@foxglove/rosmsg2-serialization';
import type { McapTypes } from '@mcap/core';
import { cdrReader } from '../../bus/cdr.js';
import { isKnownType } from '../../bus/definitions.js';
import type { MessageType } from '../../bus/messages.js';
import type { ProblemLog } from '../recording.js';
import { readFileDefinition } from './message-definitions.js';

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
    problems.add(
      'mcap.channel',
      `messages on ${channel.topic} are skipped: ${why}`,
      `${channel.topic} ${channel.messageEncoding} ${typeName}`,
    );
    return { ...base, type: null };
  };
  if (channel.messageEncoding !== 'cdr')
    return skip(`they are encoded as "${channel.messageEncoding}", and only cdr is read`);
  if (!schema) return skip('their channel has no schema, so nothing tells their type');
  const name = typeName.includes('/msg/') ? typeName : typeName.replace('/', '/msg/');
  // Types that no stage reads are no fault of the file.
  if (!isKnownType(name)) return { ...base, type: null };
  const definition = readFileDefinition(schema, name);
  if (definition.kind === 'unusable') return skip(definition.why);
  if (definition.kind === 'foreign') return { ...base, type: name, foreign: cdrReader(definition.definitions) };
  if (definition.assumed !== null)
    problems.note('mcap.assumed-definition', `${channel.topic}: ${definition.assumed}`, channel.topic);
  return { ...base, type: name };
}
