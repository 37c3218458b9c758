import { open } from 'node:fs/promises';
import { InputError } from '../core/errors.js';
import { halfToFloat, type Tensor, type TypedData } from './npy.js';

/** A tensor that lies in a file, little-endian and row-major, to be read or used in place. */
export interface StoredTensor {
  readonly name: string;
  /** f8, f4, f2, bf16, i8, i4, i2, i1, u8, u4, u2, u1 or b1; another name is of a type that cannot be read. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly file: string;
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
  /** Why it cannot be used; left out where it can. Only those who need it are told. */
  readonly unusable?: string;
}

const ARRAYS: Readonly<Record<string, (new (buffer: ArrayBuffer) => TypedData) | undefined>> = {
  f8: Float64Array,
  f4: Float32Array,
  f2: Uint16Array,
  bf16: Uint16Array,
  i8: BigInt64Array,
  i4: Int32Array,
  i2: Int16Array,
  i1: Int8Array,
  u8: BigUint64Array,
  u4: Uint32Array,
  u2: Uint16Array,
  u1: Uint8Array,
  b1: Uint8Array,
};

/** The numbers; half precision of both kinds is widened to float32. @throws InputError `tensor.cut-off`, `tensor.type` or `tensor.unusable`. */
export async function loadTensor(stored: StoredTensor): Promise<Tensor> {
  if (stored.unusable !== undefined) {
    throw new InputError({
      code: 'tensor.unusable',
      message: `the tensor "${stored.name}" of ${stored.file} cannot be used: ${stored.unusable}`,
      remedy: 'save contiguous tensors with torch.save, whole',
    });
  }
  const type = ARRAYS[stored.dtype];
  if (!type) {
    throw new InputError({
      code: 'tensor.type',
      message: `the tensor ${stored.name} of ${stored.file} is of type ${stored.dtype}, which cannot be read`,
      remedy: `save it as one of ${Object.keys(ARRAYS).join(', ')}`,
    });
  }
  const handle = await open(stored.file);
  try {
    const buffer = new ArrayBuffer(stored.bytes);
    const { bytesRead } = await handle.read(new Uint8Array(buffer), 0, stored.bytes, stored.offset);
    if (bytesRead < stored.bytes) {
      throw new InputError({
        code: 'tensor.cut-off',
        message: `${stored.file} ends inside the tensor ${stored.name}`,
        remedy: 'copy the file again',
      });
    }
    const data = new type(buffer);
    if (stored.dtype === 'f2')
      return { dtype: 'f4', shape: stored.shape, data: Float32Array.from(data as Uint16Array, halfToFloat) };
    if (stored.dtype === 'bf16') return { dtype: 'f4', shape: stored.shape, data: widenBfloat16(data as Uint16Array) };
    return { dtype: stored.dtype, shape: stored.shape, data };
  } finally {
    await handle.close();
  }
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(data: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
}
