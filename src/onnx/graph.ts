import onnxProto from 'onnx-proto';
import type { onnx as proto } from 'onnx-proto';

const { onnx } = onnxProto;

/** Element types of the graphs that are built here, named as in ONNX. */
export type ElementType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

/** A value of the graph: the name it goes by, and the type of its elements. */
export interface Tensor {
  readonly name: string;
  readonly type: ElementType;
}

/** Where an initializer's bytes lie: a file beside the graph, used in place. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly graph: proto.IGraphProto };

/** Sizes that are known are numbers; the others have a name. */
export type Dimensions = readonly (number | string)[];

interface GraphPort {
  readonly tensor: Tensor;
  readonly dimensions: Dimensions;
}

const DATA_TYPES: Readonly<Record<ElementType, number>> = {
  float32: onnx.TensorProto.DataType.FLOAT,
  float16: onnx.TensorProto.DataType.FLOAT16,
  bfloat16: onnx.TensorProto.DataType.BFLOAT16,
  float64: onnx.TensorProto.DataType.DOUBLE,
  int64: onnx.TensorProto.DataType.INT64,
  int32: onnx.TensorProto.DataType.INT32,
  uint8: onnx.TensorProto.DataType.UINT8,
  bool: onnx.TensorProto.DataType.BOOL,
};

export function dataTypeOf(type: ElementType): number {
  return DATA_TYPES[type];
}

/** ONNX 1.20: the first with Attention, RotaryEmbedding and RMSNormalization is opset 23. */
const OPSET = 23;
const IR_VERSION = 11;
const MICROSOFT = 'com.microsoft';

/** Everything that the scopes of one model share: names, constants and weights. */
class ModelParts {
  readonly initializers: proto.ITensorProto[] = [];
  readonly constants = new Map<string, Tensor>();
  readonly path: string[] = [];
  readonly counts = new Map<string, number>();
  readonly traced: GraphPort[] = [];

  constructor(readonly tracing: boolean) {}
}

/** The nodes of a graph, or of the body of a loop or a branch; a body sees all values of the scopes around it. */
export class Scope {
  readonly #parts: ModelParts;
  readonly #nodes: proto.INodeProto[] = [];
  readonly #inputs: GraphPort[] = [];
  readonly #outputs: GraphPort[] = [];
  readonly #isBody: boolean;

  /** @param from the scope around a body; for a whole model, whether it shows its intermediate values. */
  constructor(from: Scope | { readonly tracing: boolean }) {
    this.#isBody = from instanceof Scope;
    this.#parts = from instanceof Scope ? from.#parts : new ModelParts(from.tracing);
  }

  get tracing(): boolean {
    return this.#parts.tracing;
  }

  /** Names what `lay` lays down after the part of the model that it belongs to. */
  within<T>(part: string, lay: () => T): T {
    this.#parts.path.push(part);
    try {
      return lay();
    } finally {
      this.#parts.path.pop();
    }
  }

  /** One operator; its results, one for each type. Inputs that are left out are null. */
  nodes(
    operator: string,
    inputs: readonly (Tensor | null)[],
    types: readonly ElementType[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Tensor[] {
    const [domain, opType] = operator.startsWith(`${MICROSOFT}:`)
      ? [MICROSOFT, operator.slice(MICROSOFT.length + 1)]
      : ['', operator];
    const name = this.#name(opType);
    const outputs = types.map((type, i) => ({ name: types.length === 1 ? name : `${name}:${i}`, type }));
    this.#nodes.push({
      name,
      opType,
      domain,
      input: inputs.map((input) => input?.name ?? ''),
      output: outputs.map((output) => output.name),
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
    return outputs;
  }

  /** An operator with one result. */
  node(
    operator: string,
    inputs: readonly (Tensor | null)[],
    type: ElementType,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Tensor {
    return this.nodes(operator, inputs, [type], attributes)[0]!;
  }

  /** A constant that stands in the graph itself; equal ones are one. */
  constant(type: ElementType, dimensions: readonly number[], bytes: Uint8Array): Tensor {
    const key = `${type}[${dimensions.join()}]${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}`;
    const known = this.#parts.constants.get(key);
    if (known) return known;
    const tensor = { name: `constant_${this.#parts.constants.size}`, type };
    this.#parts.constants.set(key, tensor);
    this.#parts.initializers.push({
      name: tensor.name,
      dataType: DATA_TYPES[type],
      dims: [...dimensions],
      rawData: bytes,
    });
    return tensor;
  }

  /** A weight whose bytes lie in a file beside the graph. */
  weight(name: string, type: ElementType, dimensions: readonly number[], data: ExternalData): Tensor {
    this.#parts.initializers.push({
      name,
      dataType: DATA_TYPES[type],
      dims: [...dimensions],
      dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
      externalData: [
        { key: 'location', value: data.location },
        { key: 'offset', value: String(data.offset) },
        { key: 'length', value: String(data.length) },
      ],
    });
    return { name, type };
  }

  /** A name for a value that enters a body. */
  bodyInput(name: string, type: ElementType): Tensor {
    return { name: this.#name(name), type };
  }

  /** Makes an intermediate value an output of a model that shows them; of others, nothing. Values inside bodies must leave these first. */
  trace(name: string, tensor: Tensor, dimensions: Dimensions): void {
    if (!this.tracing) return;
    if (this.#isBody) throw new Error(`the value ${name} cannot be traced inside a body`);
    const isHalf = tensor.type === 'float16' || tensor.type === 'bfloat16';
    const shown = isHalf ? this.node('Cast', [tensor], 'float32', { to: { int: DATA_TYPES.float32 } }) : tensor;
    // An identity of its own: one value may be shown under two names, or be an output as well.
    this.output(name, shown, dimensions, this.#parts.traced);
  }

  /** An output of the model. */
  output(name: string, tensor: Tensor, dimensions: Dimensions, list = this.#outputs): void {
    this.#nodes.push({ name: `output/${name}`, opType: 'Identity', input: [tensor.name], output: [name] });
    list.push({ tensor: { name, type: tensor.type }, dimensions });
  }

  /** An input of the model. */
  input(name: string, type: ElementType, dimensions: Dimensions): Tensor {
    this.#inputs.push({ tensor: { name, type }, dimensions });
    return { name, type };
  }

  /** The scope as the body of a loop or a branch. The shapes of `scalars` are known; what else enters may change its shape. */
  toBody(scalars: readonly Tensor[], carried: readonly Tensor[], outputs: readonly Tensor[]): proto.IGraphProto {
    // A body must make its own results: a value from around it passes through an identity.
    const made = new Set(this.#nodes.flatMap(({ output }) => output ?? []));
    const results = outputs.map((output) =>
      made.has(output.name) ? output : this.node('Identity', [output], output.type),
    );
    return {
      name: this.#name('body'),
      node: this.#nodes,
      input: [
        ...scalars.map((tensor) => portProto({ tensor, dimensions: [] })),
        ...carried.map((tensor) => portProto({ tensor, dimensions: null })),
      ],
      output: results.map((tensor) => portProto({ tensor, dimensions: null })),
    };
  }

  /** The whole model as the bytes of a .onnx file. */
  toModel(): Uint8Array {
    return onnx.ModelProto.encode({
      irVersion: IR_VERSION,
      producerName: 'molmo_motion_planner',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: MICROSOFT, version: 1 },
      ],
      graph: {
        name: 'molmo_motion_planner',
        node: this.#nodes,
        initializer: this.#parts.initializers,
        input: this.#inputs.map(portProto),
        output: [...this.#outputs, ...this.#parts.traced].map(portProto),
      },
    }).finish();
  }

  #name(kind: string): string {
    const base = [...this.#parts.path, kind].join('/');
    const count = this.#parts.counts.get(base) ?? 0;
    this.#parts.counts.set(base, count + 1);
    return count === 0 ? base : `${base}_${count}`;
  }
}

function attributeProto(name: string, value: Attribute): proto.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  if ('int' in value) return { name, type: AttributeType.INT, i: value.int };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('text' in value) return { name, type: AttributeType.STRING, s: Buffer.from(value.text) };
  if ('ints' in value) return { name, type: AttributeType.INTS, ints: [...value.ints] };
  return { name, type: AttributeType.GRAPH, g: value.graph };
}

function portProto({
  tensor,
  dimensions,
}: {
  readonly tensor: Tensor;
  /** Null where not even their number is known. */
  readonly dimensions: Dimensions | null;
}): proto.IValueInfoProto {
  return {
    name: tensor.name,
    type: {
      tensorType: {
        elemType: DATA_TYPES[tensor.type],
        ...(dimensions && {
          shape: { dim: dimensions.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })) },
        }),
      },
    },
  };
}
