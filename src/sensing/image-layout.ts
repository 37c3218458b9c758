import type { Image } from '../bus/messages.js';
import { InputError } from '../core/errors.js';

/** @throws InputError `image.size` or `image.data` when the numbers of the message do not describe its data. Longer data are accepted. */
export function checkImageLayout(image: Image, bytesPerPixel: number): void {
  const { width, height, step, encoding } = image;
  const describe = `${width}x${height} ${encoding} image with step ${step} and ${image.data.length} bytes`;
  if (!(width >= 1) || !(height >= 1)) {
    throw new InputError({ code: 'image.size', message: `${describe} is empty`, remedy: 'check the camera driver' });
  }
  if (step < width * bytesPerPixel) {
    throw new InputError({
      code: 'image.data',
      message: `${describe}: a row needs at least ${width * bytesPerPixel} bytes`,
      remedy: 'the publisher sets a wrong step or a wrong encoding',
    });
  }
  // The last row may come without its padding.
  const needed = step * (height - 1) + width * bytesPerPixel;
  if (image.data.length < needed) {
    throw new InputError({
      code: 'image.data',
      message: `${describe} needs at least ${needed} bytes`,
      remedy: 'the publisher cuts its data or sets a wrong size',
    });
  }
}
