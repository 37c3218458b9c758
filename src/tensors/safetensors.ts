import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { describeError, InputError } from '../core/errors.js';
import { readInputFile, requireFile } from '../files/input-file.js';
import { parseJson } from '../files/json-text.js';
import { elementCount } from './shape.js';
import type { StoredTensor } from './stored-tensor.js';

/** Types that can be computed with, or copied. Tensors of other types (8-bit floats, small integers) may lie beside them unread. */
const DTYPES: Readonly<Record<string, { readonly dtype: string; readonly bytes: number }>> = {
  F64: { dtype: 'f8', bytes: 8 },
  F32: { dtype: 'f4', bytes: 4 },
  F16: { dtype: 'f2', bytes: 2 },
  BF16: { dtype: 'bf16', bytes: 2 },
  I64: { dtype: 'i8', bytes: 8 },
  I32: { dtype: 'i4', bytes: 4 },
  I16: { dtype: 'i2', bytes: 2 },
  I8: { dtype: 'i1', bytes: 1 },
  U16: { dtype: 'u2', bytes: 2 },
  U32: { dtype: 'u4', bytes: 4 },
  U64: { dtype: 'u8', bytes: 8 },
  U8: { dtype: 'u1', bytes: 1 },
  BOOL: { dtype: 'b1', bytes: 1 },
};

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Longest header that is read: the format's own limit. */
const MOST_HEADER_BYTES = 100_000_000;

/** The tensors of a .safetensors file; only the layout is read. @throws InputError `safetensors.format`. */
export async function readSafetensors(file: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const size = await requireFile(file);
  const handle = await open(file);
  try {
    const head = Buffer.alloc(8);
    await handle.read(head, 0, 8, 0);
    // Its highest bit is never set in a file that is meant; a number beyond the file's size is refused below.
    const length = Number(head.readBigUInt64LE());
    if (size < 8 || length > MOST_HEADER_BYTES || 8 + length > size)
      throw broken(file, `a header of ${length} bytes does not fit its ${size} bytes`);
    const text = Buffer.alloc(length);
    await handle.read(text, 0, length, 8);
    const header = parseHeader(file, text.toString('utf8'));
    return new Map(
      Object.entries(header).flatMap(([name, entry]) =>
        name === '__metadata__' ? [] : [[name, place(file, name, entry, 8 + length, size)]],
      ),
    );
  } finally {
    await handle.close();
  }
}

/**
 * All tensors of a Hugging Face checkpoint folder: `model.safetensors.index.json` with its shards, or `model.safetensors` alone.
 * @throws InputError `safetensors.missing` naming a tensor that its shard does not hold, or `safetensors.format`.
 */
export async function readSafetensorsFolder(folder: string): Promise<ReadonlyMap<string, StoredTensor>> {
  const index = path.join(folder, 'model.safetensors.index.json');
  if (!existsSync(index)) return readSafetensors(path.join(folder, 'model.safetensors'));
  const parsed = indexSchema.safeParse(
    parseText(index, (await readInputFile(index, MOST_HEADER_BYTES)).toString('utf8')),
  );
  if (!parsed.success) throw broken(index, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const shards = new Map<string, ReadonlyMap<string, StoredTensor>>();
  for (const shard of new Set(Object.values(parsed.data.weight_map))) {
    // A name with a folder in it could leave the checkpoint, and `.` and `..` are folders.
    if (!/^[^/\\\0]+$/.test(shard) || shard === '.' || shard === '..' || !existsSync(path.join(folder, shard)))
      throw broken(index, `it names the shard "${shard}", which is not there`);
    shards.set(shard, await readSafetensors(path.join(folder, shard)));
  }
  return new Map(
    Object.entries(parsed.data.weight_map).map(([name, shard]) => {
      const tensor = shards.get(shard)!.get(name);
      if (!tensor) {
        throw new InputError({
          code: 'safetensors.missing',
          message: `${shard} does not hold the tensor ${name} that ${index} places there`,
          remedy: 'download the checkpoint again',
        });
      }
      return [name, tensor];
    }),
  );
}

function parseHeader(file: string, text: string): Record<string, unknown> {
  const header = parseText(file, text);
  if (header === null || typeof header !== 'object' || Array.isArray(header))
    throw broken(file, 'its header is no table');
  return header as Record<string, unknown>;
}

function place(file: string, name: string, entry: unknown, dataStart: number, size: number): StoredTensor {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success)
    throw broken(file, `the entry of ${name} is wrong: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  const {
    shape,
    dtype,
    data_offsets: [start, end],
  } = parsed.data;
  const type = DTYPES[dtype];
  const count = elementCount(shape);
  const bytes = end - start;
  const fits = type ? count !== null && count * type.bytes === bytes : bytes >= 0;
  if (!fits || dataStart + end > size)
    throw broken(
      file,
      `${name} of shape (${shape.join(', ')}) does not lie in bytes ${start} to ${end} of ${size - dataStart}`,
    );
  return { name, dtype: type?.dtype ?? dtype, shape, file, offset: dataStart + start, bytes };
}

function parseText(file: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw broken(file, describeError(cause));
  }
}

function broken(file: string, why: string): InputError {
  return new InputError({
    code: 'safetensors.format',
    message: `${file} is not a usable safetensors file: ${why}`,
    remedy: 'download the checkpoint again',
  });
}
