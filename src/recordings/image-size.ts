import sharp from 'sharp';
import { describeError, InputError } from '../core/errors.js';

/** Width and height of an image file, read from its header. @throws InputError `image.compressed`. */
export async function imageSize(file: string): Promise<readonly [width: number, height: number]> {
  try {
    const { width, height } = await sharp(file).metadata();
    return [width, height];
  } catch (cause) {
    throw new InputError({
      code: 'image.compressed',
      message: `${file} cannot be read as an image: ${describeError(cause)}`,
      remedy: 'give a JPEG or PNG file',
      cause,
    });
  }
}
