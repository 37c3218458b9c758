import type { NumpyArray } from './numpy-array.js';

/** What a message of the policy protocol is made of. Whole numbers beyond 2^53 are bigint; numbers of NumPy without a shape are plain ones. */
export type MessageValue =
  null | boolean | number | bigint | string | Uint8Array | NumpyArray | readonly MessageValue[] | MessageMap;

/** A Map and not an object: a key such as `__proto__` is only a key. */
export type MessageMap = ReadonlyMap<string, MessageValue>;

export function isMap(value: MessageValue | undefined): value is MessageMap {
  return value instanceof Map;
}
