import type { StoredTensor } from '../../tensors/stored-tensor.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { ElementType, ExternalData, Tensor } from '../../onnx/graph.js';

export const BUILD_TYPES = ['fp32', 'fp16', 'bf16', 'int4'] as const;
/** Of the weights; sums, norms and the residual streams are float32 always. `int4` quantises the language model and leaves the rest float32. */
export type BuildType = (typeof BUILD_TYPES)[number];

export type FloatType = 'float32' | 'float16' | 'bfloat16';

/** What becomes of a tensor's bytes on their way into a bundle. */
export type Form = FloatType | 'int4';

/** Columns that share a scale and a zero point. */
export const INT4_BLOCK = 32;
/** MatMulNBits may multiply in int8. */
const INT8_ACCURACY = 4;

export interface QuantizedData {
  readonly values: ExternalData;
  readonly scales: ExternalData;
  readonly zeroPoints: ExternalData;
}

/** Decides where the bytes of a weight will lie. */
export interface WeightFiles {
  place(tensor: StoredTensor, type: FloatType): ExternalData;
  quantize(tensor: StoredTensor): QuantizedData;
}

/** Decoder layers and the output matrix: four fifths of all weights, and the ones that quantise well. */
const QUANTIZED = /^transformer\.(blocks\.\d+\.(att_proj|attn_out|ff_proj|ff_out)|ff_out)\.weight$/;

/** The weights of a checkpoint as values of a graph, laid down when they are first asked for. */
export class Weights {
  readonly #root: Algebra;
  readonly #stored: ReadonlyMap<string, StoredTensor>;
  readonly #files: WeightFiles;
  readonly #type: BuildType;
  readonly #known = new Map<string, Tensor>();

  constructor(root: Algebra, stored: ReadonlyMap<string, StoredTensor>, files: WeightFiles, type: BuildType) {
    this.#root = root;
    this.#stored = stored;
    this.#files = files;
    this.#type = type;
  }

  /** Type of matrices, and of what they are multiplied with. */
  get matrixType(): FloatType {
    return this.#type === 'fp16' ? 'float16' : this.#type === 'bf16' ? 'bfloat16' : 'float32';
  }

  /** Scales of norms and tables that are added to a residual stream. */
  exact(name: string): Tensor {
    return this.#weight(name, 'float32');
  }

  matrix(name: string): Tensor {
    return this.#weight(name, this.matrixType);
  }

  /** x W^T + b in the type of the matrices: `NAME.weight`, and `NAME.bias` where the checkpoint has one. x [rows, in]. */
  linear(g: Algebra, x: Tensor, name: string): Tensor {
    if (this.#type === 'int4' && QUANTIZED.test(`${name}.weight`)) return this.#quantizedLinear(g, x, name);
    const bias = this.#stored.has(`${name}.bias`) ? this.matrix(`${name}.bias`) : undefined;
    return g.affine(g.cast(x, this.matrixType), this.matrix(`${name}.weight`), bias);
  }

  /** x W^T with a matrix that goes by a name of its own: an embedding as the output matrix. */
  product(g: Algebra, x: Tensor, name: string): Tensor {
    return g.affine(g.cast(x, this.matrixType), this.matrix(name));
  }

  #weight(name: string, type: FloatType): Tensor {
    const key = `${name}|${type}`;
    const known = this.#known.get(key);
    if (known) return known;
    const tensor = this.#get(name);
    const made = this.#root.weight(
      type === this.matrixType ? name : `${name}:${type}`,
      type,
      tensor.shape,
      this.#files.place(tensor, type),
    );
    this.#known.set(key, made);
    return made;
  }

  #quantizedLinear(g: Algebra, x: Tensor, name: string): Tensor {
    const tensor = this.#get(`${name}.weight`);
    const [rows, columns] = tensor.shape as [number, number];
    const { values, scales, zeroPoints } = this.#quantized(tensor, rows, columns);
    const product = g.node('com.microsoft:MatMulNBits', [x, values, scales, zeroPoints], x.type, {
      K: { int: columns },
      N: { int: rows },
      bits: { int: 4 },
      block_size: { int: INT4_BLOCK },
      accuracy_level: { int: INT8_ACCURACY },
    });
    return this.#stored.has(`${name}.bias`) ? g.add(product, this.exact(`${name}.bias`)) : product;
  }

  #quantized(
    tensor: StoredTensor,
    rows: number,
    columns: number,
  ): { readonly values: Tensor; readonly scales: Tensor; readonly zeroPoints: Tensor } {
    const part = (what: string, type: ElementType, dimensions: readonly number[], data?: ExternalData): Tensor => {
      const key = `${tensor.name}|${what}`;
      const made = this.#known.get(key) ?? this.#root.weight(`${tensor.name}:${what}`, type, dimensions, data!);
      this.#known.set(key, made);
      return made;
    };
    const isKnown = this.#known.has(`${tensor.name}|int4`);
    const data = isKnown ? undefined : this.#files.quantize(tensor);
    const { blocks, zeroBytes } = int4Layout(columns);
    return {
      values: part('int4', 'uint8', [rows, blocks, INT4_BLOCK / 2], data?.values),
      scales: part('scales', 'float32', [rows * blocks], data?.scales),
      zeroPoints: part('zeros', 'uint8', [rows * zeroBytes], data?.zeroPoints),
    };
  }

  #get(name: string): StoredTensor {
    const tensor = this.#stored.get(name);
    // The inventory has been checked, so this is a fault of ours.
    if (!tensor) throw new Error(`the graph asks for ${name}, which the checkpoint does not have`);
    return tensor;
  }
}

/** Blocks of a row, and bytes of its zero points (two in a byte). */
export function int4Layout(columns: number): { readonly blocks: number; readonly zeroBytes: number } {
  const blocks = Math.ceil(columns / INT4_BLOCK);
  return { blocks, zeroBytes: Math.ceil(blocks / 2) };
}
