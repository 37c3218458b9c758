import { z } from 'zod';
import { nodeConfigSchema } from './node-config.js';

/** A node of the configuration's JSON Schema, with the notes of its setting. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly const?: string | number | boolean | null;
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  /** Of a list of fixed length. */
  readonly prefixItems?: readonly SchemaNode[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly $ref?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly unit?: string;
  readonly why?: string;
  readonly live?: true;
}

/** One setting, as the documentation and the errors know it. */
export interface Leaf {
  readonly path: string;
  readonly schema: SchemaNode;
}

export const CONFIG_SCHEMA: SchemaNode = z.toJSONSchema(nodeConfigSchema, {
  io: 'input',
  unrepresentable: 'any',
}) as SchemaNode;

/** Every setting in the order of the schema. A map whose keys the user chooses is one setting. */
export function settings(node: SchemaNode = CONFIG_SCHEMA, path: readonly string[] = []): readonly Leaf[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, schema]) => {
    const at = [...path, key];
    return schema.why === undefined && schema.properties ? settings(schema, at) : [{ path: at.join('.'), schema }];
  });
}

/** The node under a path, also below a map whose keys the user chooses; null where there is none. */
export function nodeAt(path: readonly (string | number)[]): SchemaNode | null {
  return path.reduce<SchemaNode | null>((node, key) => node && childOf(node, key), CONFIG_SCHEMA);
}

function childOf(node: SchemaNode, key: string | number): SchemaNode | null {
  for (const one of [node, ...(node.anyOf ?? [])]) {
    const own = one.properties && Object.hasOwn(one.properties, key) ? one.properties[key] : undefined;
    const child = own ?? (typeof key === 'number' ? (one.prefixItems?.[key] ?? one.items) : one.additionalProperties);
    if (typeof child === 'object') return child;
  }
  return null;
}

/** Keys that a map may have. */
export function keysOf(node: SchemaNode): readonly string[] {
  return [node, ...(node.anyOf ?? [])].flatMap(({ properties }) => Object.keys(properties ?? {}));
}

/** What is allowed, in words: `a number above 0, or auto`. */
export function allowed(node: SchemaNode): string {
  if (node.anyOf) return node.anyOf.map(allowed).join(', or ');
  if (node.const !== undefined) return String(node.const);
  if (node.enum) return `one of ${node.enum.map(String).join(', ')}`;
  const types = [node.type ?? []].flat();
  return types.map((type) => allowedOf(type, node)).join(', or ') || 'any value';
}

function allowedOf(type: string, node: SchemaNode): string {
  switch (type) {
    case 'integer':
    case 'number': {
      const what = type === 'integer' ? 'a whole number' : 'a number';
      const least =
        node.exclusiveMinimum !== undefined && node.exclusiveMinimum > Number.MIN_SAFE_INTEGER
          ? ` above ${node.exclusiveMinimum}`
          : node.minimum !== undefined && node.minimum > Number.MIN_SAFE_INTEGER
            ? ` of ${node.minimum} or more`
            : '';
      const most = node.maximum !== undefined && node.maximum < Number.MAX_SAFE_INTEGER ? ` up to ${node.maximum}` : '';
      return `${what}${least}${most}`;
    }
    case 'string':
      if (node.pattern?.startsWith('^(\\/')) return 'an absolute ROS name such as /front/rgb';
      return node.minLength === undefined ? 'a text' : 'a text that is not empty';
    case 'boolean':
      return 'true or false';
    case 'array':
      if (node.prefixItems) return `a list of ${node.prefixItems.length}: ${node.prefixItems.map(allowed).join(', ')}`;
      return node.items ? `a list, each ${allowed(node.items)}` : 'a list';
    case 'object':
      return 'a map';
    default:
      return type;
  }
}
