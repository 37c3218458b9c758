import { encode } from '@msgpack/msgpack';
import { isMap, type MessageMap, type MessageValue } from './message-value.js';
import { NumpyArray, type NumpyData } from './numpy-array.js';

/** Packs as Python's msgpack with msgpack-numpy does. The library packs what is no map: it knows no keys of bytes, which msgpack-numpy has. */
export function encodeMessage(value: MessageMap): Uint8Array {
  return Buffer.concat(parts(value));
}

function parts(value: MessageValue): readonly Uint8Array[] {
  if (value instanceof NumpyArray) return arrayParts(value);
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return [leaf(value)];
  if (isMap(value))
    return [head(value.size, MAP), ...[...value].flatMap(([key, inner]) => [leaf(key), ...parts(inner)])];
  const list = value;
  return [head(list.length, LIST), ...list.flatMap(parts)];
}

function leaf(value: string | number | bigint | boolean | null | Uint8Array): Uint8Array {
  return encode(value, { useBigInt64: typeof value === 'bigint' });
}

/** First bytes of the short form, of the form with 16 bits and of that with 32. */
const MAP = { short: 0x80, medium: 0xde, long: 0xdf } as const;
const LIST = { short: 0x90, medium: 0xdc, long: 0xdd } as const;

function head(size: number, { short, medium, long }: typeof MAP | typeof LIST): Uint8Array {
  if (size < 16) return Uint8Array.of(short | size);
  const bytes = Buffer.alloc(size < 1 << 16 ? 3 : 5, size < 1 << 16 ? medium : long);
  if (bytes.length === 3) bytes.writeUInt16BE(size, 1);
  else bytes.writeUInt32BE(size, 1);
  return bytes;
}

const key = (name: string): Uint8Array => leaf(Buffer.from(name, 'latin1'));
const KEYS = { nd: key('nd'), type: key('type'), kind: key('kind'), shape: key('shape'), data: key('data') };
const NO_KIND = leaf(new Uint8Array(0));

/** What the values really are: an array that came as float16, or with its bytes the other way round, is held as something else. */
function dtypeOf({ dtype, data }: NumpyArray): string {
  if (data instanceof Uint8Array) return dtype === '|b1' ? dtype : '|u1';
  return DTYPES.find(([type]) => data instanceof type)![1];
}

const DTYPES: readonly (readonly [type: abstract new (...args: never) => NumpyData, dtype: string])[] = [
  [Int8Array, '|i1'],
  [Uint16Array, '<u2'],
  [Int16Array, '<i2'],
  [Uint32Array, '<u4'],
  [Int32Array, '<i4'],
  [BigUint64Array, '<u8'],
  [BigInt64Array, '<i8'],
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
];

function arrayParts(array: NumpyArray): readonly Uint8Array[] {
  const { shape, data } = array;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return [
    head(5, MAP),
    ...[KEYS.nd, leaf(true), KEYS.type, leaf(dtypeOf(array)), KEYS.kind, NO_KIND],
    ...[KEYS.shape, ...parts(shape), KEYS.data, leaf(bytes)],
  ];
}
