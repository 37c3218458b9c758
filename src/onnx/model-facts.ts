import onnxProto from 'onnx-proto';
import type { onnx as proto } from 'onnx-proto';

const { onnx } = onnxProto;

export interface PortFacts {
  readonly name: string;
  /** `float32`, `int64`, ... */
  readonly type: string;
  /** A name where the size is not fixed. */
  readonly shape: readonly (number | string)[];
}

/** What a model file says about itself. */
export interface ModelFacts {
  readonly inputs: readonly PortFacts[];
  readonly outputs: readonly PortFacts[];
  /** How often each operator stands in the graph, those in bodies of loops and branches included; most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly opsets: Readonly<Record<string, number>>;
  /** Elements of weights that lie in files beside the graph, by type. */
  readonly weights: Readonly<Record<string, number>>;
}

/** @throws Error where the bytes are no ONNX model. */
export function modelFacts(bytes: Uint8Array): ModelFacts {
  const { graph, opsetImport } = onnx.ModelProto.decode(bytes);
  if (!graph) throw new Error('it has no graph');
  const operators = new Map<string, number>();
  countOperators(graph, operators);
  const weights = new Map<string, number>();
  for (const { dataLocation, dataType, dims } of graph.initializer ?? []) {
    if (dataLocation !== onnx.TensorProto.DataLocation.EXTERNAL) continue;
    const elements = (dims ?? []).reduce<number>((product, size) => product * Number(size), 1);
    const type = typeName(dataType);
    weights.set(type, (weights.get(type) ?? 0) + elements);
  }
  return {
    inputs: (graph.input ?? []).map(portFacts),
    outputs: (graph.output ?? []).map(portFacts),
    operators: Object.fromEntries([...operators].sort(([, a], [, b]) => b - a)),
    opsets: Object.fromEntries(opsetImport.map(({ domain, version }) => [domain || 'ai.onnx', Number(version)])),
    weights: Object.fromEntries(weights),
  };
}

function countOperators({ node }: proto.IGraphProto, counts: Map<string, number>): void {
  for (const { opType, domain, attribute } of node ?? []) {
    const name = domain ? `${domain}:${opType}` : opType!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const { g } of attribute ?? []) if (g) countOperators(g, counts);
  }
}

function portFacts({ name, type }: proto.IValueInfoProto): PortFacts {
  const { elemType, shape } = type?.tensorType ?? {};
  return {
    name: name ?? '',
    type: typeName(elemType),
    // A size that is not set is 0 in the file, and so is an unset name an empty one.
    shape: (shape?.dim ?? []).map(({ dimValue, dimParam }) => dimParam || Number(dimValue)),
  };
}

/** `FLOAT` is called float32, as everywhere else. */
function typeName(dataType: number | null | undefined): string {
  const name = onnx.TensorProto.DataType[dataType ?? 0];
  if (name === undefined) return `type ${dataType}`;
  return name === 'FLOAT' ? 'float32' : name === 'DOUBLE' ? 'float64' : name.toLowerCase();
}
