import { parse } from '@foxglove/rosmsg';
import { parseRos2idl } from '@foxglove/ros2idl-parser';
import type { MessageDefinition, MessageDefinitionField } from '@foxglove/message-definition';
import type { McapTypes } from '@mcap/core';
import { definitionsOf } from '../../bus/definitions.js';
import type { MessageType } from '../../bus/messages.js';
import { describeError } from '../../core/errors.js';

type Schema = McapTypes.TypedMcapRecords['Schema'];

/** How a file defines a type that we know. */
export type FileDefinition =
  /** Exactly as we do, or not at all; `assumed` says why ours was taken in its place. */
  | { readonly kind: 'ours'; readonly assumed: string | null }
  | { readonly kind: 'foreign'; readonly definitions: MessageDefinition[] }
  | { readonly kind: 'unusable'; readonly why: string };

/** No standard message has a definition of more than a few kilobytes; parsing one of this size takes a tenth of a second. */
const MOST_SCHEMA_BYTES = 2 ** 20;

/**
 * Reads a file's own definition of a known type. Recorders leave parts of it out: nothing but the name, or the root definition without those of
 * the types it uses. Where what is there does not contradict ours, ours is taken, and that is said.
 */
export function readFileDefinition(schema: Schema, type: MessageType): FileDefinition {
  if (schema.data.length > MOST_SCHEMA_BYTES)
    return unusable(`its schema has ${schema.data.length} bytes, more than the ${MOST_SCHEMA_BYTES} of any message`);
  const text = new TextDecoder().decode(schema.data);
  if (schema.encoding !== 'ros2msg' && schema.encoding !== 'ros2idl' && schema.encoding !== '')
    return unusable(`its schema is written in ${schema.encoding}, not ros2msg or ros2idl`);
  if (text.trim() === '') return assumed(`the file does not define ${schema.name}`);
  if (shortName(text.trim()) === shortName(type)) return assumed(`the file only names ${schema.name}`);
  const isIdl = schema.encoding === 'ros2idl';
  const whole = tryParse(() => (isIdl ? parseRos2idl(text) : parse(text, { ros2: true })));
  if ('definitions' in whole) return compare(named(whole.definitions, type), type);
  const root = isIdl ? whole : tryParse(() => parse(text, { ros2: true, skipTypeFixup: true }));
  if ('definitions' in root && sameRoot(root.definitions, type))
    return assumed(`the file defines ${schema.name}, but not the types in it`);
  return unusable(`its ${schema.encoding || 'ros2msg'} schema cannot be read (${whole.failed})`);
}

function compare(definitions: readonly MessageDefinition[], type: MessageType): FileDefinition {
  if (sameLayout(definitions, definitionsOf(type), type)) return { kind: 'ours', assumed: null };
  const wide = fieldOfType(definitions, type, 'wstring');
  if (wide !== undefined) return unusable(`its definition of ${type} has a wstring (${wide}), which cannot be read`);
  const root = find(definitions, type);
  // The reader takes the one unnamed definition as the message.
  return {
    kind: 'foreign',
    definitions: root
      ? [{ definitions: root.definitions }, ...definitions.filter((d) => d !== root)]
      : [...definitions],
  };
}

function assumed(what: string): FileDefinition {
  return { kind: 'ours', assumed: `${what}; the definition of ROS 2 Jazzy is assumed` };
}

function unusable(why: string): FileDefinition {
  return { kind: 'unusable', why };
}

function tryParse(
  read: () => MessageDefinition[],
): { readonly definitions: MessageDefinition[] } | { readonly failed: string } {
  try {
    return { definitions: read() };
  } catch (error) {
    return { failed: describeError(error).split('\n')[0]! };
  }
}

/** A .msg text leaves the message itself without a name. */
function named(definitions: readonly MessageDefinition[], name: string): MessageDefinition[] {
  return definitions.map((d) => (d.name === undefined ? { ...d, name } : d));
}

const shortName = (name: string): string => name.replace('/msg/', '/');
const lastName = (name: string): string => name.slice(name.lastIndexOf('/') + 1);

function find(definitions: readonly MessageDefinition[], name: string): MessageDefinition | undefined {
  return definitions.find((d) => d.name !== undefined && shortName(d.name) === shortName(name));
}

function fieldsOf(definition: MessageDefinition | undefined): MessageDefinitionField[] | undefined {
  return definition?.definitions.filter((field) => field.isConstant !== true);
}

const sameArray = (a: MessageDefinitionField, b: MessageDefinitionField): boolean =>
  (a.isArray ?? false) === (b.isArray ?? false) && a.arrayLength === b.arrayLength;

function sameLayout(a: readonly MessageDefinition[], b: readonly MessageDefinition[], name: string): boolean {
  const left = fieldsOf(find(a, name));
  const right = fieldsOf(find(b, name));
  if (!left || left.length !== right?.length) return false;
  return left.every((field, i) => {
    const other = right[i]!;
    return (
      field.name === other.name &&
      shortName(field.type) === shortName(other.type) &&
      sameArray(field, other) &&
      (field.isComplex !== true || sameLayout(a, b, field.type))
    );
  });
}

/** Whether a root definition alone, in which types may go by their last name, has the fields that we know. */
function sameRoot(definitions: readonly MessageDefinition[], type: MessageType): boolean {
  const left = fieldsOf(definitions[0]);
  const right = fieldsOf(find(definitionsOf(type), type));
  if (definitions.length !== 1 || !left || left.length !== right?.length) return false;
  return left.every((field, i) => {
    const other = right[i]!;
    const sameType = lastName(field.type) === lastName(other.type) || BUILTIN.get(lastName(field.type)) === other.type;
    return field.name === other.name && sameType && sameArray(field, other);
  });
}

/** Our parser takes these two messages for primitives. */
const BUILTIN: ReadonlyMap<string, string> = new Map([
  ['Time', 'time'],
  ['Duration', 'duration'],
]);

/** Path of the first field of a type; undefined where there is none. */
function fieldOfType(
  definitions: readonly MessageDefinition[],
  name: string,
  wanted: string,
  above: readonly string[] = [],
): string | undefined {
  // A type that holds itself has no end.
  if (above.includes(name)) return undefined;
  for (const field of fieldsOf(find(definitions, name)) ?? []) {
    if (field.type === wanted) return field.name;
    const inner = field.isComplex === true ? fieldOfType(definitions, field.type, wanted, [...above, name]) : undefined;
    if (inner !== undefined) return `${field.name}.${inner}`;
  }
  return undefined;
}
