import { parse, stringify } from 'yaml';
import { ConfigurationError, describeError } from '../../core/errors.js';
import { isTree, treeOf, type Layer, type SettingsTree, type SettingsValue } from './layers.js';
import type { NodeConfig } from './node-config.js';
import { allowed, nodeAt, settings, type SchemaNode } from './schema-tree.js';

/*
 * Settings as ROS parameters: each path of the configuration is a parameter of the same name. ROS parameters have one type each, and none is null, so a
 * setting that takes values of several types (`auto` or a number) is a text that holds YAML.
 */

export type ParameterKind = 'boolean' | 'integer' | 'double' | 'string' | 'double_array' | 'string_array';
export type ParameterValue = boolean | number | string | readonly number[] | readonly string[];

export interface ConfigParameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly value: ParameterValue;
  readonly description: string;
  /** What is allowed, in words. */
  readonly constraints: string;
  /** Inclusive; null where the schema says no number. */
  readonly range: { readonly from: number; readonly to: number } | null;
  /** It may be set while the system runs. */
  readonly isLive: boolean;
}

/** Every setting with the value that it has. A map whose keys the user chooses gives a parameter for each of its values. */
export function configParameters(config: NodeConfig): readonly ConfigParameter[] {
  return settings().flatMap(({ path, schema }) => {
    const keys = path.split('.');
    const value = keys.reduce<SettingsValue>(
      (tree, key) => (tree as SettingsTree)[key]!,
      config as unknown as SettingsTree,
    );
    const leaves: readonly (readonly [readonly string[], SettingsValue])[] = isTree(value)
      ? leavesOf(keys, value)
      : [[keys, value]];
    return leaves.map(([at, leaf]): ConfigParameter => {
      const own = nodeAt(at) ?? schema;
      const kind = kindOf(own, leaf);
      const unit = schema.unit === undefined ? '' : ` [${schema.unit}]`;
      return {
        name: at.join('.'),
        kind,
        value: toParameter(kind, own, leaf),
        description: `${own.description ?? schema.description ?? ''}${unit}${schema.live ? ' (may change while running)' : ''}`,
        constraints: allowed(own),
        range: rangeOf(kind, own),
        isLive: schema.live === true,
      };
    });
  });
}

/** A parameter as a layer of the configuration. @throws ConfigurationError `config.parameter` for a text that is not YAML where YAML is needed. */
export function parameterLayer(name: string, value: ParameterValue): Layer {
  const path = name.split('.');
  return { origin: `parameter ${name}`, values: treeOf(path, fromParameter(name, nodeAt(path), value)) };
}

function leavesOf(
  path: readonly string[],
  tree: SettingsTree,
): readonly (readonly [readonly string[], SettingsValue])[] {
  return Object.entries(tree).flatMap(([key, value]): readonly (readonly [readonly string[], SettingsValue])[] => {
    const at = [...path, key];
    return isTree(value) ? leavesOf(at, value) : [[at, value]];
  });
}

function kindOf(schema: SchemaNode, value: SettingsValue): ParameterKind {
  switch (schema.type) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return 'integer';
    case 'number':
      return 'double';
    case 'array': {
      const items = schema.items?.type;
      // A list without elements has no type of its own, and lists of maps are no parameters.
      if (items === 'string') return 'string_array';
      return items === 'number' && Array.isArray(value) && value.length > 0 ? 'double_array' : 'string';
    }
    default:
      return 'string';
  }
}

function toParameter(kind: ParameterKind, schema: SchemaNode, value: SettingsValue): ParameterValue {
  if (kind !== 'string') return value as ParameterValue;
  return typeof value === 'string' ? value : asText(schema) === 'text' && value === null ? '' : yamlLine(value);
}

/** Whether a text is the value itself, or YAML. */
function asText({ type, enum: words, anyOf }: SchemaNode): 'text' | 'yaml' {
  if (type === 'string' || words) return 'text';
  const isText = anyOf?.every((one) => one.type === 'null' || (one.type === 'string' && one.const === undefined));
  return isText ? 'text' : 'yaml';
}

function fromParameter(name: string, schema: SchemaNode | null, value: ParameterValue): SettingsValue {
  if (typeof value !== 'string') return value;
  if (schema !== null && asText(schema) === 'text') return value === '' && schema.anyOf ? null : value;
  try {
    return parse(value, { maxAliasCount: 0 }) as SettingsValue;
  } catch (cause) {
    throw new ConfigurationError({
      code: 'config.parameter',
      message: `the parameter ${name} is ${JSON.stringify(value)}, which is no YAML: ${describeError(cause).split('\n')[0]!}`,
      remedy: `give ${schema === null ? 'a value' : allowed(schema)}`,
      cause,
    });
  }
}

function rangeOf(kind: ParameterKind, schema: SchemaNode): ConfigParameter['range'] {
  if (kind !== 'double' && kind !== 'integer') return null;
  const from = schema.minimum ?? schema.exclusiveMinimum;
  const to = schema.maximum ?? schema.exclusiveMaximum;
  if (from === undefined && to === undefined) return null;
  const least = kind === 'integer' ? Number.MIN_SAFE_INTEGER : -Number.MAX_VALUE;
  return { from: from ?? least, to: to ?? -least };
}

function yamlLine(value: SettingsValue): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}
