import { unzipSync, zipSync } from 'fflate';
import { InputError } from '../core/errors.js';
import { decodeNpy, encodeNpy, type Tensor } from './npy.js';

/** NumPy's .npz: a zip of .npy files, stored or compressed. @throws InputError `npz.format` or `npy.format`. */
export function decodeNpz(bytes: Uint8Array, what = 'the file'): ReadonlyMap<string, Tensor> {
  let members: Record<string, Uint8Array>;
  try {
    members = unzipSync(bytes);
  } catch (cause) {
    throw new InputError({
      code: 'npz.format',
      message: `${what} is not an .npz file: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: 'save it with numpy.savez',
      cause,
    });
  }
  return new Map(
    Object.entries(members).map(([name, member]) => [
      name.replace(/\.npy$/, ''),
      decodeNpy(member, `${name} in ${what}`),
    ]),
  );
}

export function encodeNpz(tensors: Readonly<Record<string, Tensor>>): Uint8Array {
  const members = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [`${name}.npy`, encodeNpy(tensor)]),
  );
  // A fixed time, so that the same arrays give the same bytes.
  return zipSync(members, { level: 0, mtime: new Date(1980, 0, 1) });
}

/** @throws InputError `npz.missing` that lists what there is. */
export function tensorOf(tensors: ReadonlyMap<string, Tensor>, name: string, what: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor) return tensor;
  throw new InputError({
    code: 'npz.missing',
    message: `${what} has no array "${name}" (it has: ${[...tensors.keys()].join(', ')})`,
    remedy: 'give a file of the documented layout',
  });
}
