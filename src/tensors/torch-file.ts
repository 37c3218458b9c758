import { open } from 'node:fs/promises';
import { InputError } from '../core/errors.js';
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

/**
 * The tensors of a torch.save file (a zip with a pickle of their layout and the raw little-endian numbers), by the path of their keys joined with
 * dots; a single tensor has the empty name. Only the layout is read.
 * @throws InputError `zip.format`, `torch.pickle` or `torch.format`.
 */
export async function readTorchFile(file: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const handle = await open(file);
  try {
    const members = new Map((await readZipDirectory(handle, file)).map((member) => [member.name, member]));
    const pickle = [...members.values()].find(({ name }) => name.endsWith('/data.pkl') || name === 'data.pkl');
    if (!pickle) throw broken(file, `it has no data.pkl (it holds: ${[...members.keys()].slice(0, 5).join(', ')})`);
    const bytes = Buffer.alloc(pickle.length);
    await handle.read(bytes, 0, pickle.length, pickle.offset);
    const tensors = new Map<string, StoredTensor>();
    const root = pickle.name.slice(0, -'data.pkl'.length);
    collect(readTorchPickle(bytes, file), '', (name, tensor) =>
      tensors.set(name, place(file, name, tensor, members.get(`${root}data/${tensor.storage}`))),
    );
    return tensors;
  } finally {
    await handle.close();
  }
}

function collect(value: unknown, name: string, found: (name: string, tensor: TorchTensor) => void): void {
  const below = (key: string): string => (name === '' ? key : `${name}.${key}`);
  if (isTorchTensor(value)) found(name, value);
  else if (value instanceof Map)
    for (const [key, inner] of value as Map<unknown, unknown>) collect(inner, below(String(key)), found);
  else if (Array.isArray(value))
    value.forEach((inner, i) => {
      collect(inner, below(String(i)), found);
    });
}

function place(file: string, name: string, tensor: TorchTensor, member: ZipMember | undefined): StoredTensor {
  const storage = STORAGES[tensor.storageType];
  if (!storage) throw broken(file, `tensor "${name}" is of the unknown type ${tensor.storageType}`);
  const count = tensor.shape.reduce((product, n) => product * n, 1);
  // Row-major: the stride of each axis is the product of the sizes behind it; axes of size 1 may have any.
  const contiguous = tensor.shape.every(
    (n, axis) => n <= 1 || tensor.strides[axis] === tensor.shape.slice(axis + 1).reduce((product, m) => product * m, 1),
  );
  if (count > 0 && !contiguous)
    throw broken(file, `tensor "${name}" is not contiguous (strides ${tensor.strides.join(', ')})`);
  const bytes = count * storage.bytes;
  const start = tensor.offset * storage.bytes;
  if (!member || start + bytes > member.length)
    throw broken(file, `the numbers of tensor "${name}" are missing or cut off`);
  return { name, dtype: storage.dtype, shape: tensor.shape, file, offset: member.offset + start, bytes };
}

function broken(file: string, why: string): InputError {
  return new InputError({
    code: 'torch.format',
    message: `${file} is not a usable torch file: ${why}`,
    remedy: 'save contiguous tensors with torch.save',
  });
}
