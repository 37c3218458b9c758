import { decode, type DecoderOptions } from '@msgpack/msgpack';
import { checkMessage } from './message-check.js';
import { badMessage } from './message-error.js';
import type { MessageMap, MessageValue } from './message-value.js';
import { readArray, readScalar, type NumpyArray } from './numpy-array.js';

/** Keys as the library gives them to us: a letter tells text from bytes, which it would mix up otherwise. */
const TEXT = 't';
const BYTES = 'b';

/**
 * One message packed with msgpack and msgpack-numpy. Values of one byte, such as pictures, are views of `bytes`.
 * @throws InputError `message.format`.
 */
export function decodeMessage(bytes: Uint8Array): MessageValue {
  checkMessage(bytes);
  return toValue(decode(bytes, { useBigInt64: true, keyDecoder: textKeys, mapKeyConverter: markedKey }));
}

type KeyDecoder = NonNullable<DecoderOptions['keyDecoder']>;

/** Marks keys of text before the library sees them: it refuses the one that is called __proto__. */
const textKeys: KeyDecoder = {
  canBeCached: () => true,
  decode: (bytes, offset, length) => TEXT + Buffer.from(bytes.subarray(offset, offset + length)).toString('utf8'),
};

function markedKey(key: unknown): string {
  if (key instanceof Uint8Array) return BYTES + Buffer.from(key).toString('latin1');
  // The library does not ask about an empty text.
  return key === '' ? TEXT : String(key);
}

function toValue(raw: unknown): MessageValue {
  if (typeof raw === 'bigint') return Number.isSafeInteger(Number(raw)) ? Number(raw) : raw;
  if (Array.isArray(raw)) return raw.map(toValue);
  if (raw instanceof Uint8Array || raw === null || typeof raw !== 'object') return raw as MessageValue;
  return Object.hasOwn(raw, `${BYTES}nd`) ? toNumpy(raw as RawMap) : toMap(raw as RawMap);
}

type RawMap = Readonly<Record<string, unknown>>;

/** A key of bytes is written as Python would: b'name'. */
function toMap(raw: RawMap): MessageMap {
  for (const [key, why] of OTHER_DIALECTS) if (Object.hasOwn(raw, BYTES + key)) throw badMessage(why);
  return new Map(
    Object.entries(raw).map(([key, value]) => {
      const name = key.slice(1);
      return [key.startsWith(TEXT) ? name : `b'${name}'`, toValue(value)];
    }),
  );
}

const OTHER_DIALECTS: readonly (readonly [key: string, why: string])[] = [
  ['__ndarray__', "it has an array in openpi's dialect, and this protocol takes that of msgpack-numpy"],
  ['__npgeneric__', "it has a number in openpi's dialect, and this protocol takes that of msgpack-numpy"],
  ['complex', 'it has a complex number'],
];

function toNumpy(raw: RawMap): NumpyArray | number | bigint | boolean {
  const at = (key: string): unknown => raw[BYTES + key];
  const isArray = at('nd');
  if (typeof isArray !== 'boolean') throw badMessage('the "nd" of an array is neither true nor false');
  const kind = at('kind');
  if (kind !== undefined && kind !== '' && !(kind instanceof Uint8Array && kind.length === 0))
    throw badMessage('it has an array of records or of Python objects, which are never unpacked');
  const type = at('type');
  const name = type instanceof Uint8Array ? Buffer.from(type).toString('latin1') : type;
  if (typeof name !== 'string') throw badMessage('an array has no "type" that is a text');
  const data = at('data');
  if (!(data instanceof Uint8Array)) throw badMessage('an array has no "data" of bytes');
  return isArray ? readArray(name, toShape(at('shape')), data) : readScalar(name, data);
}

/** A single number is a shape, too, as it is for NumPy. */
function toShape(raw: unknown): readonly number[] {
  const shape = (Array.isArray(raw) ? raw : [raw]).map((n: unknown) => (typeof n === 'bigint' ? Number(n) : n));
  if (shape.every((n): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0)) return shape;
  throw badMessage('an array has no "shape" of whole numbers of 0 or more');
}
