import { unzipSync } from 'fflate';
import { InputError } from '../core/errors.js';
import type { Tensor, TypedData } from './npy.js';

const STORAGES: Readonly<
  Record<
    string,
    { readonly dtype: string; readonly type: new (buffer: ArrayBuffer) => TypedData; readonly bytes: number }
  >
> = {
  FloatStorage: { dtype: 'f4', type: Float32Array, bytes: 4 },
  DoubleStorage: { dtype: 'f8', type: Float64Array, bytes: 8 },
  IntStorage: { dtype: 'i4', type: Int32Array, bytes: 4 },
  LongStorage: { dtype: 'i8', type: BigInt64Array, bytes: 8 },
  ByteStorage: { dtype: 'u1', type: Uint8Array, bytes: 1 },
};

/**
 * One contiguous tensor saved with torch.save: a zip with a pickle that names the storage type and shape, and the raw little-endian numbers. The
 * pickle is read as text for those two facts and never run: a pickle is a program.
 * @throws InputError `torch.format` for anything else.
 */
export function decodeTorchTensor(bytes: Uint8Array, what: string): Tensor {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'torch.format',
      message: `${what} is not a usable torch tensor: ${why}`,
      remedy: 'save one contiguous tensor with torch.save',
    });
  };
  let members: Record<string, Uint8Array>;
  try {
    members = unzipSync(bytes);
  } catch (cause) {
    return fail(cause instanceof Error ? cause.message : String(cause));
  }
  const pickle = Object.entries(members).find(([name]) => name.endsWith('/data.pkl'))?.[1];
  const raw = Object.entries(members).find(([name]) => name.endsWith('/data/0'))?.[1];
  if (!pickle || !raw) return fail(`it lacks data.pkl or data/0 (it holds: ${Object.keys(members).join(', ')})`);
  const storage = STORAGES[/torch\n(\w+)\n/.exec(Buffer.from(pickle).toString('latin1'))?.[1] ?? ''];
  if (!storage) return fail('its storage type is not known');
  const shape = shapeInPickle(pickle, raw.length / storage.bytes);
  if (!shape) return fail(`no shape in it fits its ${raw.length} bytes`);
  return { dtype: storage.dtype, shape, data: new storage.type(Uint8Array.from(raw).buffer) };
}

/** The tuple of small integers after the storage reference whose product is the number of elements. */
function shapeInPickle(pickle: Uint8Array, elements: number): readonly number[] | null {
  // BINPERSID closes the storage reference; then come the offset, the shape and the strides.
  for (let at = pickle.indexOf(0x51); at >= 0; at = pickle.indexOf(0x51, at + 1)) {
    const ints: number[] = [];
    for (let i = at + 1; i < pickle.length;) {
      const opcode = pickle[i]!;
      if (opcode === 0x4b) {
        ints.push(pickle[i + 1]!); // BININT1
        i += 2;
      } else if (opcode === 0x4d) {
        ints.push(pickle[i + 1]! | (pickle[i + 2]! << 8)); // BININT2
        i += 3;
      } else if (opcode === 0x4a) {
        ints.push(Buffer.from(pickle.subarray(i + 1, i + 5)).readInt32LE()); // BININT
        i += 5;
      } else if ([0x85, 0x86, 0x87, 0x74].includes(opcode)) {
        break; // the end of a tuple
      } else if (opcode === 0x71) {
        i += 2; // memo
      } else {
        i += 1; // marks
      }
    }
    const shape = ints.slice(1);
    if (ints[0] === 0 && shape.length > 0 && shape.reduce((p, n) => p * n, 1) === elements) return shape;
  }
  return null;
}
