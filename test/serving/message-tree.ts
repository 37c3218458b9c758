import { createHash } from 'node:crypto';
import { isMap, type MessageValue } from '../../src/serving/message-value.js';
import { NumpyArray } from '../../src/serving/numpy-array.js';

/** A message as the golden files write it down, so that it can be compared with them. NumPy scalars are plain numbers here. */
export function treeOf(value: MessageValue): unknown {
  if (value instanceof NumpyArray) return arrayTree(value);
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('hex') };
  if (typeof value === 'bigint') return { $int: String(value) };
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $float: nameOf(value) };
  if (isMap(value)) return Object.fromEntries([...value].map(([key, inner]) => [key, treeOf(inner)]));
  if (Array.isArray(value)) return value.map(treeOf);
  return value;
}

/** The golden tree in the same form: what only tells lengths is left out, and scalars are their values. */
export function goldenTree(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(goldenTree);
  if (typeof tree !== 'object' || tree === null) return tree;
  const known = tree as Record<string, unknown>;
  if ('$scalar' in known) return known['value'] === 'NaN' ? { $float: 'NaN' } : known['value'];
  if ('$bytes' in known) return { $bytes: known['$bytes'] };
  if ('$array' in known) {
    const { $array, shape, values, sha256 } = known;
    return { $array, shape, ...(sha256 === undefined ? { values } : { sha256 }) };
  }
  return Object.fromEntries(Object.entries(known).map(([key, inner]) => [key, goldenTree(inner)]));
}

function nameOf(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** Small arrays are written out in the golden files, larger ones as a hash of their bytes. */
const LISTED = 24;

function arrayTree({ dtype, shape, data }: NumpyArray): unknown {
  if (data.length > LISTED) {
    const sha256 = createHash('sha256')
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      .digest('hex');
    return { $array: dtype, shape, sha256 };
  }
  const numbers: readonly unknown[] = Array.from<number | bigint, unknown>(data, (value) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : { $int: String(value) };
    if (dtype === '|b1') return value === 1;
    return Number.isFinite(value) ? value : nameOf(value);
  });
  return { $array: dtype, shape, values: nested(numbers, shape) };
}

function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  const [first, ...rest] = shape;
  if (first === undefined) return values[0];
  const size = rest.reduce((product, n) => product * n, 1);
  return Array.from({ length: first }, (_, k) => nested(values.slice(k * size, (k + 1) * size), rest));
}
