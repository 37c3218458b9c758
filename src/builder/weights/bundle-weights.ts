import { constants } from 'node:fs';
import { copyFile, link, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { CancelledError, InputError } from '../../core/errors.js';
import { AtomicFile, outputError } from '../../files/atomic-file.js';
import { halfToFloat } from '../../tensors/npy.js';
import type { StoredTensor } from '../../tensors/stored-tensor.js';
import type { ExternalData } from '../../onnx/graph.js';
import { LARGEST_HALF, toBfloat16, toHalf, toInt4 } from './conversion.js';
import { INT4_BLOCK, int4Layout, type FloatType, type QuantizedData, type WeightFiles } from './weights.js';

/** Name of the file with converted weights. */
export const CONVERTED_FILE = 'weights.bin';

/** Stored types that can be used as they are. */
const STORED_AS: Readonly<Record<FloatType, string>> = { float32: 'f4', float16: 'f2', bfloat16: 'bf16' };
const ELEMENT_BYTES: Readonly<Record<string, number>> = { f8: 8, f4: 4, f2: 2, bf16: 2 };

/** Of the beginning of every tensor, so that any runtime may map it. */
const ALIGNMENT = 64;
/** Read at a time; the memory that a conversion takes is a few times this, whatever the checkpoint's size. */
const CHUNK_ELEMENTS = 2 << 20;

interface Conversion {
  readonly tensor: StoredTensor;
  readonly type: FloatType | 'int4';
  readonly parts: readonly ExternalData[];
}

export interface WeightsProgress {
  /** Tells of stored bytes that have been read, out of `readBytes`. */
  readonly onBytes: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The weight files of a bundle: checkpoint files that are used in place, as links of them, and one file with everything that had to be converted.
 * Where a weight will lie is decided while the graph is laid down; bytes are moved afterwards.
 */
export class BundleWeights implements WeightFiles {
  /** Checkpoint files, by the name that they go by in the bundle. */
  readonly #linked = new Map<string, string>();
  readonly #inPlace = new Map<string, StoredTensor>();
  readonly #conversions = new Map<string, Conversion>();
  #end = 0;

  place(tensor: StoredTensor, type: FloatType): ExternalData {
    if (tensor.dtype === STORED_AS[type]) {
      const location = path.basename(tensor.file);
      this.#linked.set(location, tensor.file);
      this.#inPlace.set(tensor.name, tensor);
      return { location, offset: tensor.offset, length: tensor.bytes };
    }
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    return this.#convert(tensor, type, () => [count * (type === 'float32' ? 4 : 2)])[0]!;
  }

  quantize(tensor: StoredTensor): QuantizedData {
    const [rows, columns] = tensor.shape as [number, number];
    const { blocks, zeroBytes } = int4Layout(columns);
    const sizes = [(rows * blocks * INT4_BLOCK) / 2, rows * blocks * 4, rows * zeroBytes];
    const [values, scales, zeroPoints] = this.#convert(tensor, 'int4', () => sizes);
    return { values: values!, scales: scales!, zeroPoints: zeroPoints! };
  }

  #convert(tensor: StoredTensor, type: FloatType | 'int4', sizes: () => readonly number[]): readonly ExternalData[] {
    const key = `${tensor.name}|${type}`;
    const known = this.#conversions.get(key);
    if (known) return known.parts;
    const parts = sizes().map((length) => {
      const offset = this.#end;
      this.#end = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT;
      return { location: CONVERTED_FILE, offset, length };
    });
    this.#conversions.set(key, { tensor, type, parts });
    return parts;
  }

  /** Names of the weight files in the bundle. */
  get files(): readonly string[] {
    return [...this.#linked.keys(), ...(this.#conversions.size > 0 ? [CONVERTED_FILE] : [])];
  }

  /** Bytes of the checkpoint that `write` reads. */
  get readBytes(): number {
    const bytes = (tensors: Iterable<StoredTensor>): number =>
      [...tensors].reduce((sum, tensor) => sum + tensor.bytes, 0);
    return bytes(this.#inPlace.values()) + bytes([...this.#conversions.values()].map(({ tensor }) => tensor));
  }

  /**
   * Puts the files into a folder.
   * @throws InputError `checkpoint.weight` naming a tensor that holds a number that is not finite, or too large for the type; OutputError.
   */
  async write(folder: string, progress: WeightsProgress): Promise<void> {
    for (const tensor of this.#inPlace.values())
      for await (const values of readFloats(tensor, progress)) checkFinite(tensor, values);
    for (const [name, source] of this.#linked) await linkOrCopy(source, path.join(folder, name));
    if (this.#conversions.size === 0) return;
    const file = await AtomicFile.create(path.join(folder, CONVERTED_FILE));
    try {
      for (const conversion of this.#conversions.values()) await writeConversion(file, conversion, progress);
    } catch (error) {
      await file.abort();
      throw error;
    }
    await file.commit();
  }
}

/** The same bytes under another name; a copy (a cheap one where the file system shares blocks) only across file systems. */
async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch {
    try {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
    } catch (cause) {
      throw outputError(target, cause);
    }
  }
}

async function writeConversion(
  file: AtomicFile,
  { tensor, type, parts }: Conversion,
  progress: WeightsProgress,
): Promise<void> {
  const pad = async (offset: number): Promise<void> => {
    const missing = offset - Number(file.position);
    if (missing > 0) await file.write([new Uint8Array(missing)]);
  };
  await pad(parts[0]!.offset);
  if (type !== 'int4') {
    for await (const values of readFloats(tensor, progress)) {
      checkFinite(tensor, values);
      if (type === 'float16') checkHalfRange(tensor, values);
      const converted = type === 'float32' ? values : type === 'float16' ? toHalf(values) : toBfloat16(values);
      await file.write([new Uint8Array(converted.buffer, converted.byteOffset, converted.byteLength)]);
    }
    return;
  }
  // Scales and zero points stand behind all values: an eighth and a sixty-fourth of a float32 matrix, so they are kept until then.
  const scales: Uint8Array[] = [];
  const zeroPoints: Uint8Array[] = [];
  const columns = tensor.shape[1]!;
  for await (const values of readFloats(tensor, progress, columns)) {
    checkFinite(tensor, values);
    const rows = toInt4(values, columns);
    await file.write([rows.values]);
    scales.push(new Uint8Array(rows.scales.buffer));
    zeroPoints.push(rows.zeroPoints);
  }
  await pad(parts[1]!.offset);
  await file.write(scales);
  await pad(parts[2]!.offset);
  await file.write(zeroPoints);
}

/** The numbers of a stored tensor as float32, a part at a time, each a multiple of `unit` long. */
async function* readFloats(
  tensor: StoredTensor,
  { onBytes, signal }: WeightsProgress,
  unit = 1,
): AsyncGenerator<Float32Array> {
  const bytesEach = ELEMENT_BYTES[tensor.dtype]!;
  const count = tensor.bytes / bytesEach;
  const chunk = Math.max(unit, Math.floor(CHUNK_ELEMENTS / unit) * unit);
  const handle = await open(tensor.file);
  try {
    for (let done = 0; done < count; done += chunk) {
      if (signal?.aborted) throw new CancelledError('the build');
      const elements = Math.min(chunk, count - done);
      const buffer = await readAll(handle, tensor, done * bytesEach, elements * bytesEach);
      onBytes(buffer.byteLength);
      yield toFloats(tensor.dtype, buffer);
    }
  } finally {
    await handle.close();
  }
}

async function readAll(handle: FileHandle, tensor: StoredTensor, from: number, length: number): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(
      new Uint8Array(buffer, done),
      0,
      length - done,
      tensor.offset + from + done,
    );
    if (bytesRead === 0) throw badWeight(tensor, 'the file ends inside it', 'copy the checkpoint again');
    done += bytesRead;
  }
  return buffer;
}

function toFloats(dtype: string, buffer: ArrayBuffer): Float32Array {
  switch (dtype) {
    case 'f4':
      return new Float32Array(buffer);
    case 'f8':
      return Float32Array.from(new Float64Array(buffer));
    case 'f2':
      return Float32Array.from(new Uint16Array(buffer), (bits) => HALVES[bits]!);
    default:
      // bfloat16 is the upper half of a float32.
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer);
  }
}

/** All float16 numbers. */
const HALVES = Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToFloat(bits));

function checkFinite(tensor: StoredTensor, values: Float32Array): void {
  // The difference of a number with itself is 0, unless it is not finite: one sum tells about all.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  if (sum === 0) return;
  const bad = values.find((x) => !Number.isFinite(x))!;
  throw badWeight(
    tensor,
    `it holds the number ${bad}`,
    'training has diverged, or the file is damaged: use another checkpoint',
  );
}

function checkHalfRange(tensor: StoredTensor, values: Float32Array): void {
  const bad = values.find((x) => Math.abs(x) > LARGEST_HALF);
  if (bad !== undefined)
    throw badWeight(tensor, `its number ${bad} is beyond the range of float16`, 'build with --dtype fp32 or bf16');
}

function badWeight(tensor: StoredTensor, why: string, remedy: string): InputError {
  return new InputError({
    code: 'checkpoint.weight',
    message: `the tensor ${tensor.name} of ${tensor.file} cannot be used: ${why}`,
    remedy,
  });
}
