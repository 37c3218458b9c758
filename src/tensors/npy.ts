import { InputError } from '../core/errors.js';
import { elementCount } from './shape.js';

export type TypedData =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array;

/** An n-dimensional array, row-major. Booleans are bytes 0 and 1; float16 is widened to float32. */
export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: TypedData;
}

type Constructor = new (buffer: ArrayBuffer) => TypedData;

const READERS: Readonly<Record<string, { readonly bytes: number; readonly type: Constructor }>> = {
  f8: { bytes: 8, type: Float64Array },
  f4: { bytes: 4, type: Float32Array },
  i4: { bytes: 4, type: Int32Array },
  u4: { bytes: 4, type: Uint32Array },
  i2: { bytes: 2, type: Int16Array },
  u2: { bytes: 2, type: Uint16Array },
  i1: { bytes: 1, type: Int8Array },
  u1: { bytes: 1, type: Uint8Array },
  b1: { bytes: 1, type: Uint8Array },
  i8: { bytes: 8, type: BigInt64Array },
  u8: { bytes: 8, type: BigUint64Array },
  f2: { bytes: 2, type: Uint16Array },
};

const MAGIC = '\x93NUMPY';
/** NumPy itself refuses longer ones of files that are not trusted (max_header_size is 10 000). */
const MOST_HEADER_BYTES = 2 ** 16;

/**
 * NumPy's .npy format, versions 1 to 3, C order or Fortran order, either byte order. Object arrays are refused: they hold pickled code.
 * @throws InputError `npy.format`.
 */
export function decodeNpy(bytes: Uint8Array, what = 'the array'): Tensor {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'npy.format',
      message: `${what} is not a usable .npy array: ${why}`,
      remedy: 'save it with numpy.save (no objects)',
    });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || Buffer.from(bytes.subarray(0, 6)).toString('latin1') !== MAGIC)
    fail('it does not start as one');
  const wide = bytes[6]! >= 2;
  const start = wide ? 12 : 10;
  if (bytes.length < start) fail('its header is cut off');
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (bytes.length < end) fail('its header is cut off');
  if (end - start > MOST_HEADER_BYTES) fail(`its header has ${end - start} bytes`);
  const header = Buffer.from(bytes.subarray(start, end)).toString('utf8');
  const descr = /'descr':\s*'([<>|=])(\w\d*)'/.exec(header);
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const reader = descr ? READERS[descr[2]!] : undefined;
  if (!descr || !reader || shapeText === undefined)
    return fail(`its header "${header.trim()}" names a type that is not numeric`);
  const shape = shapeText
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '')
    .map(Number);
  const count = elementCount(shape);
  if (count === null) return fail(`(${shapeText}) is not the shape of an array`);
  if (bytes.length < end + count * reader.bytes)
    fail(`shape (${shape.join(', ')}) needs ${count * reader.bytes} bytes, there are ${bytes.length - end}`);
  // Copied, since the data may start at an address that the array type cannot use. (A Buffer's own slice would not copy.)
  const raw = Uint8Array.from(bytes.subarray(end, end + count * reader.bytes));
  if (descr[1] === '>' && reader.bytes > 1) swapBytes(raw, reader.bytes);
  let data = new reader.type(raw.buffer);
  if (descr[2] === 'f2') data = Float32Array.from(data as Uint16Array, halfToFloat);
  if (/'fortran_order':\s*True/.test(header) && shape.length > 1) data = toRowMajor(data, shape);
  return { dtype: descr[2] === 'f2' ? 'f4' : descr[2]!, shape, data };
}

/** @param dtype of the file, such as `f4`, `f8`, `b1`; the data must be of the matching array type. */
export function encodeNpy({ dtype, shape, data }: Tensor): Uint8Array {
  const order = READERS[dtype]!.bytes === 1 ? '|' : '<';
  const text = `{'descr': '${order}${dtype}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  // Magic, version and length take 10 bytes; the data start at a multiple of 64.
  const padded = text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 10 - 1) + '\n';
  const head = Buffer.alloc(10);
  head.write(MAGIC, 'latin1');
  head.writeUInt8(1, 6);
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(padded, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function swapBytes(raw: Uint8Array, size: number): void {
  for (let at = 0; at < raw.length; at += size) raw.subarray(at, at + size).reverse();
}

function toRowMajor(data: TypedData, shape: readonly number[]): TypedData {
  const out = data.slice();
  const index = shape.map(() => 0);
  for (let to = 0; to < out.length; to++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis]! + index[axis]!;
    out[to] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return out;
}
