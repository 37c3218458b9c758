import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { describeError, InputError } from '../core/errors.js';
import type { StoredTensor } from './stored-tensor.js';

const DTYPES: Readonly<Record<string, { readonly dtype: string; readonly bytes: number }>> = {
  F64: { dtype: 'f8', bytes: 8 },
  F32: { dtype: 'f4', bytes: 4 },
  F16: { dtype: 'f2', bytes: 2 },
  BF16: { dtype: 'bf16', bytes: 2 },
  I64: { dtype: 'i8', bytes: 8 },
  I32: { dtype: 'i4', bytes: 4 },
  I16: { dtype: 'i2', bytes: 2 },
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
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(8);
    await handle.read(head, 0, 8, 0);
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
  const parsed = indexSchema.safeParse(parseJson(index, await readFile(index, 'utf8')));
  if (!parsed.success) throw broken(index, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const shards = new Map<string, ReadonlyMap<string, StoredTensor>>();
  for (const shard of new Set(Object.values(parsed.data.weight_map))) {
    // A name with a folder in it could leave the checkpoint.
    if (path.basename(shard) !== shard || !existsSync(path.join(folder, shard)))
      throw broken(index, `it names the shard ${shard}, which is not there`);
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
  const header = parseJson(file, text);
  if (header === null || typeof header !== 'object') throw broken(file, 'its header is no table');
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
  if (!type) throw broken(file, `${name} is of the unknown type ${dtype}`);
  const bytes = shape.reduce((product, n) => product * n, 1) * type.bytes;
  if (end - start !== bytes || dataStart + end > size)
    throw broken(
      file,
      `${name} of shape (${shape.join(', ')}) does not lie in bytes ${start} to ${end} of ${size - dataStart}`,
    );
  return { name, dtype: type.dtype, shape, file, offset: dataStart + start, bytes };
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
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
