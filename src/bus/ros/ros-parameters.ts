import { ConfigurationError } from '../../core/errors.js';
import type { RclParameter } from './rclnodejs.js';
import type { RosNode } from './ros-node.js';

/** Numbers of rcl_interfaces/ParameterType. */
const TYPES = {
  boolean: 1,
  integer: 2,
  double: 3,
  string: 4,
  integer_array: 7,
  double_array: 8,
  string_array: 9,
} as const;
type Kind = Exclude<keyof typeof TYPES, 'integer_array'>;

export type RosParameterValue = boolean | number | string | readonly number[] | readonly string[];

export interface RosParameter {
  readonly name: string;
  readonly kind: Kind;
  readonly value: RosParameterValue;
  readonly description: string;
  readonly constraints: string;
  readonly range: { readonly from: number; readonly to: number } | null;
}

/** Parameters that are rclnodejs's own. */
const FOREIGN = /^(use_sim_time$|qos_overrides\.|start_type_description_service$)/;

/** The parameters of a node: what it was started with, what it declares, and who may set them. */
export class RosParameters {
  readonly #ros: RosNode;
  readonly #kinds = new Map<string, Kind>();

  constructor(ros: RosNode) {
    this.#ros = ros;
  }

  /** Given at the start: by `-p` and by parameter files. */
  get given(): readonly { readonly name: string; readonly value: RosParameterValue }[] {
    return [...this.#ros.node.getParameterOverrides()]
      .filter(({ name }) => !FOREIGN.test(name))
      .map(({ name, value }) => ({ name, value: plainValue(value) }));
  }

  /** Declares them, or gives them other values where they are declared already. */
  declare(parameters: readonly RosParameter[]): void {
    const { rcl, node } = this.#ros;
    for (const { name, kind, value, description, constraints, range } of parameters) {
      if (node.hasParameter(name)) node.undeclareParameter(name);
      const descriptor = new rcl.ParameterDescriptor(name, TYPES[kind], description, false, this.#rangeOf(kind, range));
      descriptor.additionalConstraints = constraints;
      this.#kinds.set(name, kind);
      node.declareParameter(new rcl.Parameter(name, TYPES[kind], rclValue(kind, value)), descriptor, true);
    }
  }

  /**
   * Lets others set what is declared. Whole numbers may be given where numbers are needed, and anything where a text that holds YAML is.
   * @param set gives a parameter its value, or throws an error that says why it cannot.
   */
  allowSetting(set: (name: string, value: RosParameterValue) => void): void {
    const { node } = this.#ros;
    node.addPreSetParametersCallback((parameters) => parameters.map((one) => this.#converted(one)));
    node.addOnSetParametersCallback((parameters) => {
      try {
        for (const { name, value } of parameters) {
          if (FOREIGN.test(name)) throw unsettable(name);
          if (this.#kinds.has(name)) set(name, plainValue(value));
        }
        return { successful: true, reason: '' };
      } catch (error) {
        return { successful: false, reason: reasonOf(error) };
      }
    });
  }

  #converted(parameter: RclParameter): RclParameter {
    const { rcl } = this.#ros;
    const { name, type, value } = parameter;
    const kind = this.#kinds.get(name);
    if (kind === undefined || type === TYPES[kind]) return parameter;
    if (kind === 'double' && type === TYPES.integer) return new rcl.Parameter(name, TYPES.double, Number(value));
    if (kind === 'double_array' && type === TYPES.integer_array)
      return new rcl.Parameter(name, TYPES.double_array, plainValue(value));
    if (kind === 'string' && type !== 0) return new rcl.Parameter(name, TYPES.string, textOf(plainValue(value)));
    return parameter;
  }

  #rangeOf(kind: Kind, range: RosParameter['range']): unknown {
    if (!range) return undefined;
    const { FloatingPointRange, IntegerRange } = this.#ros.rcl;
    return kind === 'integer'
      ? new IntegerRange(BigInt(range.from), BigInt(range.to), 0n)
      : new FloatingPointRange(range.from, range.to, 0);
  }
}

/** Integers come as BigInt, lists of numbers as typed arrays. */
function plainValue(value: unknown): RosParameterValue {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value) || Array.isArray(value))
    return Array.from(value as ArrayLike<number | bigint | string>, (one) =>
      typeof one === 'bigint' ? Number(one) : one,
    ) as readonly number[];
  return value as RosParameterValue;
}

function rclValue(kind: Kind, value: RosParameterValue): unknown {
  return kind === 'integer'
    ? BigInt(value as number)
    : Array.isArray(value)
      ? [...(value as readonly unknown[])]
      : value;
}

function textOf(value: RosParameterValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function unsettable(name: string): ConfigurationError {
  return new ConfigurationError({
    code: 'ros.parameter',
    message: `${name} cannot change while the node runs`,
    remedy: 'start the node with it',
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigurationError) return `${error.message}; ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}
