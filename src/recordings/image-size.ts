import { open } from 'node:fs/promises';
import { describeError, InputError } from '../core/errors.js';
import { checkImageHeader } from '../sensing/image-header.js';

/** The header of a JPEG stands behind its metadata, which may hold a thumbnail and a colour profile, but seldom more than this. */
const HEADER_BYTES = 2 ** 20;

/** Width and height of an image file, read from its header. @throws InputError `image.compressed`. */
export async function imageSize(file: string): Promise<readonly [width: number, height: number]> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size, HEADER_BYTES)));
      const { width, height } = checkImageHeader(buffer.subarray(0, bytesRead));
      return [width, height];
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new InputError({
      code: 'image.compressed',
      message: `${file} cannot be read as an image: ${describeError(cause)}`,
      remedy: 'give a JPEG or PNG file',
      cause,
    });
  }
}
