import { open } from 'node:fs/promises';

/** Storage types of torch that checkpoints come in. */
export type StoredType = 'f4' | 'f2' | 'bf16';

export interface MadeTensor {
  readonly shape: readonly number[];
  readonly type: StoredType;
  /** Left out for a tensor of zeros that takes no space: the file has a hole there. */
  readonly bytes?: Uint8Array;
}

const STORAGE = { f4: 'FloatStorage', f2: 'HalfStorage', bf16: 'BFloat16Storage' } as const;
const BYTES = { f4: 4, f2: 2, bf16: 2 } as const;
const ALIGNMENT = 64;

/** Writes what torch.save({name: tensor, ...}) writes: a zip of a pickle and of raw numbers. Of any size, since holes are not written. */
export async function writeTorchFile(file: string, tensors: ReadonlyMap<string, MadeTensor>): Promise<void> {
  const handle = await open(file, 'w');
  try {
    const members: { readonly name: string; readonly offset: number; readonly length: number }[] = [];
    let end = 0;
    const add = async (name: string, length: number, bytes?: Uint8Array): Promise<void> => {
      const offset = end;
      const path = Buffer.from(name);
      // torch pads the extra field so that the numbers lie on a multiple of 64 bytes.
      const padding = (ALIGNMENT - ((offset + 30 + path.length + 4) % ALIGNMENT)) % ALIGNMENT;
      const header = Buffer.alloc(30 + path.length + 4 + padding);
      header.writeUInt32LE(0x04034b50, 0);
      header.writeUInt16LE(20, 4);
      // Sizes stand in the directory.
      header.writeUInt16LE(8, 6);
      header.writeUInt16LE(path.length, 26);
      header.writeUInt16LE(4 + padding, 28);
      path.copy(header, 30);
      header.write('FB', 30 + path.length, 'latin1');
      header.writeUInt16LE(padding, 32 + path.length);
      await handle.write(header, 0, header.length, offset);
      if (bytes && bytes.length > 0) await handle.write(bytes, 0, bytes.length, offset + header.length);
      members.push({ name, offset, length });
      end = offset + header.length + length;
    };
    const pickle = pickleOf(tensors);
    await add('model/data.pkl', pickle.length, pickle);
    let key = 0;
    for (const { shape, type, bytes } of tensors.values())
      await add(`model/data/${key++}`, countOf(shape) * BYTES[type], bytes);
    await add('model/version', 2, Buffer.from('3\n'));
    const directory = directoryOf(members, end);
    await handle.write(directory, 0, directory.length, end);
  } finally {
    await handle.close();
  }
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Central directory with 64-bit sizes and offsets, as torch writes it for large files. */
function directoryOf(
  members: readonly { readonly name: string; readonly offset: number; readonly length: number }[],
  start: number,
): Buffer {
  const entries = members.map(({ name, offset, length }) => {
    const path = Buffer.from(name);
    const entry = Buffer.alloc(46 + path.length + 28);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(45, 4);
    entry.writeUInt16LE(45, 6);
    entry.writeUInt32LE(0xffffffff, 20);
    entry.writeUInt32LE(0xffffffff, 24);
    entry.writeUInt16LE(path.length, 28);
    entry.writeUInt16LE(28, 30);
    entry.writeUInt32LE(0xffffffff, 42);
    path.copy(entry, 46);
    const extra = 46 + path.length;
    entry.writeUInt16LE(1, extra);
    entry.writeUInt16LE(24, extra + 2);
    entry.writeBigUInt64LE(BigInt(length), extra + 4);
    entry.writeBigUInt64LE(BigInt(length), extra + 12);
    entry.writeBigUInt64LE(BigInt(offset), extra + 20);
    return entry;
  });
  const list = Buffer.concat(entries);
  const tail = Buffer.alloc(56 + 20 + 22);
  tail.writeUInt32LE(0x06064b50, 0);
  tail.writeBigUInt64LE(44n, 4);
  tail.writeUInt16LE(45, 12);
  tail.writeUInt16LE(45, 14);
  tail.writeBigUInt64LE(BigInt(members.length), 24);
  tail.writeBigUInt64LE(BigInt(members.length), 32);
  tail.writeBigUInt64LE(BigInt(list.length), 40);
  tail.writeBigUInt64LE(BigInt(start), 48);
  tail.writeUInt32LE(0x07064b50, 56);
  tail.writeBigUInt64LE(BigInt(start + list.length), 64);
  tail.writeUInt32LE(1, 72);
  tail.writeUInt32LE(0x06054b50, 76);
  tail.writeUInt16LE(0xffff, 84);
  tail.writeUInt16LE(0xffff, 86);
  tail.writeUInt32LE(0xffffffff, 88);
  tail.writeUInt32LE(0xffffffff, 92);
  return Buffer.concat([list, tail]);
}

/** Protocol 2: a dict of torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, {}). */
function pickleOf(tensors: ReadonlyMap<string, MadeTensor>): Buffer {
  const parts: Buffer[] = [Buffer.from([0x80, 2]), Buffer.from('}(')];
  const code = (text: string): void => void parts.push(Buffer.from(text, 'latin1'));
  const string = (text: string): void => {
    const utf8 = Buffer.from(text);
    const size = Buffer.alloc(5);
    size.write('X', 'latin1');
    size.writeUInt32LE(utf8.length, 1);
    parts.push(size, utf8);
  };
  const integer = (value: number): void => {
    const bytes = Buffer.alloc(5);
    bytes.write('J', 'latin1');
    bytes.writeInt32LE(value, 1);
    parts.push(bytes);
  };
  let key = 0;
  for (const [name, { shape, type }] of tensors) {
    string(name);
    code('ctorch._utils\n_rebuild_tensor_v2\n(');
    code('(');
    string('storage');
    code(`ctorch\n${STORAGE[type]}\n`);
    string(String(key++));
    string('cpu');
    integer(countOf(shape));
    code('tQ');
    integer(0);
    code('(');
    for (const size of shape) integer(size);
    code('t(');
    shape.forEach((_, axis) => {
      integer(countOf(shape.slice(axis + 1)));
    });
    code('t\x89}tR');
  }
  code('u.');
  return Buffer.concat(parts);
}
