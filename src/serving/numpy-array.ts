import { badMessage } from './message-error.js';

/** Values in memory order of the wire, brought to this machine's byte order. Booleans are 0 and 1; float16 is widened. */
export type NumpyData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** An array of NumPy: its dtype as it was written (`<f4`), its shape, and its values in C order. */
export class NumpyArray {
  constructor(
    readonly dtype: string,
    readonly shape: readonly number[],
    readonly data: NumpyData,
  ) {}

  static float32(values: ArrayLike<number>, shape: readonly number[] = [values.length]): NumpyArray {
    return new NumpyArray('<f4', shape, Float32Array.from(values));
  }
}

interface Dtype {
  readonly bytes: number;
  readonly make: (buffer: ArrayBuffer) => NumpyData;
}

/** The dtypes of numbers. Text, dates, complex numbers, records and Python objects are none. */
const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['b1', { bytes: 1, make: (b) => new Uint8Array(b) }],
  ['u1', { bytes: 1, make: (b) => new Uint8Array(b) }],
  ['i1', { bytes: 1, make: (b) => new Int8Array(b) }],
  ['u2', { bytes: 2, make: (b) => new Uint16Array(b) }],
  ['i2', { bytes: 2, make: (b) => new Int16Array(b) }],
  ['u4', { bytes: 4, make: (b) => new Uint32Array(b) }],
  ['i4', { bytes: 4, make: (b) => new Int32Array(b) }],
  ['u8', { bytes: 8, make: (b) => new BigUint64Array(b) }],
  ['i8', { bytes: 8, make: (b) => new BigInt64Array(b) }],
  ['f2', { bytes: 2, make: (b) => Float32Array.from(new Uint16Array(b), widened) }],
  ['f4', { bytes: 4, make: (b) => new Float32Array(b) }],
  ['f8', { bytes: 8, make: (b) => new Float64Array(b) }],
]);

const NAMES: ReadonlyMap<string, string> = new Map([
  ['bool', '|b1'],
  ['uint8', '|u1'],
  ['int8', '|i1'],
  ['uint16', '<u2'],
  ['int16', '<i2'],
  ['uint32', '<u4'],
  ['int32', '<i4'],
  ['uint64', '<u8'],
  ['int64', '<i8'],
  ['float16', '<f2'],
  ['float32', '<f4'],
  ['float64', '<f8'],
]);

/** NumPy 2 allows no more. */
const MOST_DIMENSIONS = 64;
/** NumPy counts bytes in 63 bits, and leaves dimensions of 0 out when it looks for an overflow. */
const MOST_BYTES = (1n << 63n) - 1n;

/**
 * An array out of its bytes. Values of one byte are a view of them, everything else is a copy.
 * @throws InputError `message.format` for a dtype that is no number, and bytes that do not fill the shape exactly.
 */
export function readArray(type: string, shape: readonly number[], bytes: Uint8Array): NumpyArray {
  const dtype = canonical(type);
  const { bytes: size, make } = DTYPES.get(dtype.slice(1))!;
  if (shape.length > MOST_DIMENSIONS) throw badMessage(`an array of ${shape.length} dimensions`);
  const most = shape.reduce((product, n) => (n === 0 ? product : product * BigInt(n)), BigInt(size));
  if (most > MOST_BYTES) throw badMessage(`an array of the shape [${shape.join(', ')}]`);
  const count = shape.reduce((product, n) => product * n, 1);
  if (bytes.length !== count * size)
    throw badMessage(
      `an array of ${dtype} with the shape [${shape.join(', ')}] has ${bytes.length} bytes instead of ${count * size}`,
    );
  const data = size === 1 ? oneByte(dtype, bytes) : make(inOrder(bytes, size, dtype.startsWith('>')));
  return new NumpyArray(dtype, shape, data);
}

/** A number that has a dtype, such as `numpy.float32(1.5)`. @throws InputError `message.format` where there is not exactly one value. */
export function readScalar(type: string, bytes: Uint8Array): number | bigint | boolean {
  const { dtype, data } = readArray(type, [], bytes);
  const value = data[0]!;
  if (dtype === '|b1') return value !== 0;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** The dtype with its byte order, which `<` is where none is said. */
function canonical(type: string): string {
  const named = NAMES.get(type);
  if (named !== undefined) return named;
  const [, order, kind] = /^([<>|=]?)([a-z][1-9])$/.exec(type) ?? [];
  const dtype = kind === undefined ? undefined : DTYPES.get(kind);
  if (!dtype) throw badMessage(`the dtype "${type}" is not one of numbers (${[...DTYPES.keys()].join(', ')})`);
  return `${dtype.bytes === 1 ? '|' : order === '>' ? '>' : '<'}${kind!}`;
}

function oneByte(dtype: string, bytes: Uint8Array): NumpyData {
  if (dtype === '|i1') return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return dtype === '|b1' ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes;
}

function inOrder(bytes: Uint8Array, size: number, isBigEndian: boolean): ArrayBuffer {
  const copy = new Uint8Array(bytes);
  if (isBigEndian) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy.buffer;
}

/** IEEE 754 binary16. */
function widened(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
