import sharp from 'sharp';
import type { CompressedImage, Image } from '../bus/messages.js';
import { describeError, InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import { checkImageHeader, MOST_PIXELS } from './image-header.js';
import { checkImageLayout } from './image-layout.js';

type RowReader = (data: Uint8Array, at: number, width: number, out: Uint8Array, to: number) => void;

const packed =
  (bytes: number, r: number, g: number, b: number): RowReader =>
  (data, at, width, out, to) => {
    for (let x = 0; x < width; x++, at += bytes, to += 3) {
      out[to] = data[at + r]!;
      out[to + 1] = data[at + g]!;
      out[to + 2] = data[at + b]!;
    }
  };

/** Two pixels in four bytes; `y0`, `u`, `y1`, `v` are the places of the samples. Widths are even. */
const yuv422 =
  (y0: number, u: number, y1: number, v: number): RowReader =>
  (data, at, width, out, to) => {
    for (let x = 0; x < width; x += 2, at += 4, to += 6) {
      writeBt601(data[at + y0]!, data[at + u]!, data[at + v]!, out, to);
      writeBt601(data[at + y1]!, data[at + u]!, data[at + v]!, out, to + 3);
    }
  };

const ENCODINGS: Readonly<Record<string, { readonly bytesPerPixel: number; readonly read: RowReader }>> = {
  rgb8: {
    bytesPerPixel: 3,
    read: (data, at, width, out, to) => {
      out.set(data.subarray(at, at + width * 3), to);
    },
  },
  bgr8: { bytesPerPixel: 3, read: packed(3, 2, 1, 0) },
  rgba8: { bytesPerPixel: 4, read: packed(4, 0, 1, 2) },
  bgra8: { bytesPerPixel: 4, read: packed(4, 2, 1, 0) },
  mono8: { bytesPerPixel: 1, read: packed(1, 0, 0, 0) },
  yuv422: { bytesPerPixel: 2, read: yuv422(1, 0, 3, 2) },
  uyvy: { bytesPerPixel: 2, read: yuv422(1, 0, 3, 2) },
  yuv422_yuy2: { bytesPerPixel: 2, read: yuv422(0, 1, 2, 3) },
  yuyv: { bytesPerPixel: 2, read: yuv422(0, 1, 2, 3) },
};

/**
 * Checks without touching the pixels, so that a wrong message is refused when it arrives.
 * @throws InputError `image.encoding`, `image.size` or `image.data`.
 */
export function checkColorImage(image: Image): void {
  const encoding = ENCODINGS[image.encoding];
  if (!encoding) {
    throw new InputError({
      code: 'image.encoding',
      message: `colour image encoding "${image.encoding}" cannot be read`,
      remedy: image.encoding.startsWith('bayer')
        ? 'run image_proc to debayer the camera, and use its colour topic'
        : `publish one of ${Object.keys(ENCODINGS).join(', ')}`,
    });
  }
  checkImageLayout(image, encoding.bytesPerPixel);
  if (encoding.bytesPerPixel === 2 && image.width % 2 !== 0) {
    throw new InputError({
      code: 'image.size',
      message: `a ${image.encoding} image cannot be ${image.width} pixels wide`,
      remedy: 'its width must be even',
    });
  }
}

/** @throws InputError as checkColorImage does. */
export function decodeColorImage(image: Image): RgbImage {
  checkColorImage(image);
  const { width, height, step, data } = image;
  const out = new Uint8Array(width * height * 3);
  const { read } = ENCODINGS[image.encoding]!;
  for (let y = 0; y < height; y++) read(data, y * step, width, out, y * width * 3);
  return { width, height, data: out };
}

/**
 * JPEG or PNG, told apart by content (the format field is often wrong). Colours come out as RGB whatever order `format` names: JPEG and PNG
 * files have their own, and the field only tells what the sender started from.
 * @throws InputError `image.compressed`.
 */
export async function decodeCompressedColor(image: CompressedImage): Promise<RgbImage> {
  return decodeColorFile(image.data, `compressed image ("${image.format}")`);
}

/**
 * The bytes of a JPEG or PNG file as RGB, by the numbers that are stored in it, as the reference's Pillow reads them (`convert('RGB')`): an embedded
 * colour profile, such as Display P3, is not applied, transparency is dropped, and CMYK is converted by (255 - C)(255 - K) / 255.
 * @throws InputError `image.compressed`, naming `what`, for anything else than a JPEG or PNG, and for pictures that are too large.
 */
export async function decodeColorFile(bytes: Uint8Array, what: string): Promise<RgbImage> {
  try {
    const header = checkImageHeader(bytes);
    const isCmyk = header.format === 'jpeg' && header.channels === 4;
    const source = sharp(bytes, { ignoreIcc: true, limitInputPixels: MOST_PIXELS });
    const { data, info } = await (
      isCmyk ? source.pipelineColourspace('cmyk').toColourspace('cmyk') : source.removeAlpha().toColourspace('srgb')
    )
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels === 3) return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
    const out = new Uint8Array(width * height * 3);
    if (isCmyk) cmykToRgb(data, out);
    else packed(channels, 0, 0, 0)(data, 0, width * height, out, 0);
    return { width, height, data: out };
  } catch (cause) {
    throw new InputError({
      code: 'image.compressed',
      message: `${what} of ${bytes.length} bytes cannot be decoded: ${describeError(cause).trim().replaceAll('\n', ' ')}`,
      remedy: 'send whole JPEG or PNG files',
      cause,
    });
  }
}

/** Pillow's arithmetic: x / 255, rounded. */
function cmykToRgb(cmyk: Uint8Array, out: Uint8Array): void {
  for (let from = 0, to = 0; to < out.length; from += 4) {
    const light = 255 - cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) out[to++] = clampByte(light - Math.round((cmyk[from + c]! * light) / 255));
  }
}

/** ITU-R BT.601 in studio range with 20-bit fixed point: the arithmetic of OpenCV, which cv_bridge uses. */
function writeBt601(y: number, u: number, v: number, out: Uint8Array, to: number): void {
  const luma = Math.max(0, y - 16) * 1_220_542;
  const cb = u - 128;
  const cr = v - 128;
  const half = 1 << 19;
  out[to] = clampByte((luma + 1_673_527 * cr + half) >> 20);
  out[to + 1] = clampByte((luma - 852_492 * cr - 409_993 * cb + half) >> 20);
  out[to + 2] = clampByte((luma + 2_116_026 * cb + half) >> 20);
}

function clampByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
