import { open, type FileHandle } from 'node:fs/promises';
import { InputError } from '../core/errors.js';
import { requireFile } from '../files/input-file.js';
import { elementCount } from './shape.js';
import type { StoredTensor } from './stored-tensor.js';
import { isTorchTensor, readTorchPickle, type TorchTensor } from './torch-pickle.js';
import { readZipDirectory, type ZipMember } from './zip-directory.js';

const STORAGES: Readonly<Record<string, { readonly dtype: string; readonly bytes: number }>> = {
  FloatStorage: { dtype: 'f4', bytes: 4 },
  DoubleStorage: { dtype: 'f8', bytes: 8 },
  HalfStorage: { dtype: 'f2', bytes: 2 },
  BFloat16Storage: { dtype: 'bf16', bytes: 2 },
  LongStorage: { dtype: 'i8', bytes: 8 },
  IntStorage: { dtype: 'i4', bytes: 4 },
  ShortStorage: { dtype: 'i2', bytes: 2 },
  ByteStorage: { dtype: 'u1', bytes: 1 },
  BoolStorage: { dtype: 'b1', bytes: 1 },
};

/** The pickle of the layout of a large model (10 000 tensors) has 2 MB. */
const MOST_PICKLE_BYTES = 64 * 2 ** 20;
/** State dicts are two or three deep. */
const MOST_DEPTH = 32;
/** Ten times the tensors of the largest model. A pickle may hold one list in many places, so that a kilobyte of it has billions of entries. */
const MOST_VALUES = 200_000;

/**
 * The tensors of a torch.save file (a zip with a pickle of their layout and the raw little-endian numbers), by the path of their keys joined with
 * dots; a single tensor has the empty name. Only the layout is read.
 * @throws InputError `zip.format`, `torch.pickle` or `torch.format`.
 */
export async function readTorchFile(file: string): Promise<ReadonlyMap<string, StoredTensor>> {
  await requireFile(file);
  const handle = await open(file);
  try {
    await refuseLegacy(handle, file);
    const members = new Map((await readZipDirectory(handle, file)).map((member) => [member.name, member]));
    const pickle = [...members.values()].find(({ name }) => name.endsWith('/data.pkl') || name === 'data.pkl');
    if (!pickle) throw broken(file, `it has no data.pkl (it holds: ${[...members.keys()].slice(0, 5).join(', ')})`);
    if (pickle.length > MOST_PICKLE_BYTES) throw broken(file, `its pickle has ${pickle.length} bytes`);
    const bytes = Buffer.alloc(pickle.length);
    await handle.read(bytes, 0, pickle.length, pickle.offset);
    const root = pickle.name.slice(0, -'data.pkl'.length);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of collect(readTorchPickle(bytes, file), file))
      tensors.set(name, place(file, name, tensor, members.get(`${root}data/${tensor.storage}`)));
    return tensors;
  } finally {
    await handle.close();
  }
}

/** Before torch 1.6 a file was a row of pickles; the first is this number, 0x1950a86a20f9469cfc6c. */
const LEGACY_MAGIC = '8a0a6cfc9c46f9206aa85019';

async function refuseLegacy(handle: FileHandle, file: string): Promise<void> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  if (!buffer.subarray(0, bytesRead).toString('hex').includes(LEGACY_MAGIC)) return;
  throw new InputError({
    code: 'torch.format',
    message: `${file} is in the format that torch wrote before version 1.6`,
    remedy: 'load it with torch.load and save it again with torch.save of torch 1.6 or newer',
  });
}

/** The tensors in nested dictionaries and lists. A pickle can make a list that holds itself, or one list in a billion places: both are refused. */
function collect(root: unknown, file: string): ReadonlyMap<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  let values = 0;
  const visit = (value: unknown, name: string, depth: number): void => {
    if (depth > MOST_DEPTH) throw broken(file, `it is nested more than ${MOST_DEPTH} deep, or holds itself`);
    if (++values > MOST_VALUES) throw broken(file, `it holds more than ${MOST_VALUES} values`);
    const below = (key: string): string => (name === '' ? key : `${name}.${key}`);
    if (isTorchTensor(value)) found.set(name, value);
    else if (value instanceof Map)
      for (const [key, inner] of value as Map<unknown, unknown>) visit(inner, below(keyText(key, file)), depth + 1);
    else if (Array.isArray(value))
      value.forEach((inner, i) => {
        visit(inner, below(String(i)), depth + 1);
      });
  };
  visit(root, '', 0);
  return found;
}

function keyText(key: unknown, file: string): string {
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'boolean') return String(key);
  throw broken(file, 'a dictionary in it has a key that is no text or number');
}

function place(file: string, name: string, tensor: TorchTensor, member: ZipMember | undefined): StoredTensor {
  const { shape, strides } = tensor;
  const base = { name, dtype: tensor.storageType, shape, file, offset: 0, bytes: 0 };
  const unusable = (why: string): StoredTensor => ({ ...base, unusable: why });
  const storage = STORAGES[tensor.storageType];
  if (!storage) return unusable(`it is of the unknown type ${tensor.storageType}`);
  const count = elementCount(shape);
  if (count === null || strides.length !== shape.length)
    return unusable(`its shape (${shape.join(', ')}) is impossible`);
  // Row-major: the stride of each axis is the product of the sizes behind it; axes of size 1 may have any.
  const contiguous = shape.every(
    (n, axis) => n <= 1 || strides[axis] === shape.slice(axis + 1).reduce((product, m) => product * m, 1),
  );
  if (count > 0 && !contiguous) return unusable(`it is not contiguous (strides ${strides.join(', ')})`);
  const bytes = count * storage.bytes;
  const start = tensor.offset * storage.bytes;
  if (!member || start + bytes > member.length) return unusable('its numbers are missing or cut off');
  return { ...base, dtype: storage.dtype, offset: member.offset + start, bytes };
}

function broken(file: string, why: string): InputError {
  return new InputError({
    code: 'torch.format',
    message: `${file} is not a usable torch file: ${why}`,
    remedy: 'save contiguous tensors with torch.save',
  });
}
