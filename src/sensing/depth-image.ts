import sharp from 'sharp';
import type { CompressedImage, Image } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { DepthImage } from '../core/images.js';
import { checkImageHeader, MOST_PIXELS } from './image-header.js';
import { checkImageLayout } from './image-layout.js';
import { decodeRvl } from './rvl.js';

/** 16UC1 is millimetres by REP 118. */
export const MILLIMETRES = 0.001;

const BYTES_PER_PIXEL: Readonly<Record<string, number>> = { '16UC1': 2, mono16: 2, '32FC1': 4 };

/** @throws InputError `depth.encoding`, `image.size` or `image.data`, without touching the pixels. */
export function checkDepthImage(image: Image): void {
  const bytesPerPixel = BYTES_PER_PIXEL[image.encoding];
  if (bytesPerPixel === undefined) {
    throw new InputError({
      code: 'depth.encoding',
      message: `depth image encoding "${image.encoding}" cannot be read`,
      remedy: `publish one of ${Object.keys(BYTES_PER_PIXEL).join(', ')} (REP 118)`,
    });
  }
  checkImageLayout(image, bytesPerPixel);
}

/**
 * 16UC1 and mono16 are integers of `scaleM` metres with 0 invalid; 32FC1 is metres with NaN, infinite, zero or negative invalid (REP 118, REP 117).
 * @throws InputError as checkDepthImage does.
 */
export function decodeDepthImage(image: Image, scaleM: number = MILLIMETRES): DepthImage {
  checkDepthImage(image);
  const { width, height, step, data } = image;
  const out = new Float32Array(width * height);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = image.is_bigendian === 0;
  const isFloat = image.encoding === '32FC1';
  for (let y = 0; y < height; y++) {
    const row = y * step;
    const to = y * width;
    if (isFloat) for (let x = 0; x < width; x++) out[to + x] = validMetres(view.getFloat32(row + 4 * x, little));
    else for (let x = 0; x < width; x++) out[to + x] = validMetres(view.getUint16(row + 2 * x, little) * scaleM);
  }
  return { width, height, data: out };
}

/** The 12 bytes before a compressedDepth body: int32 format, then the two quantisation parameters of 32FC1. */
const CONFIG_HEADER = 12;

/**
 * `ORIG; compressedDepth png|rvl` of image_transport, and plain 16-bit PNG. The ORIG encoding decides how values are read, not the header:
 * older senders write INV_DEPTH there for 16UC1 too.
 * @throws InputError `depth.compressed` or `depth.encoding`.
 */
export async function decodeCompressedDepth(image: CompressedImage, scaleM: number = MILLIMETRES): Promise<DepthImage> {
  const [original = '', transport = ''] = image.format.split(';').map((part) => part.trim());
  const fail = (why: string, cause?: unknown): never => {
    throw new InputError({
      code: 'depth.compressed',
      message: `compressed depth image ("${image.format}") of ${image.data.length} bytes cannot be decoded: ${why}`,
      remedy: 'send 16-bit PNG, or compressedDepth png or rvl, of 16UC1 or 32FC1 images',
      cause,
    });
  };
  if (image.data.length === 0) fail('it has no data');
  if (!transport.startsWith('compressedDepth'))
    return toMetres(await pngValues(image.data, fail), (value) => value * scaleM);
  if (original !== '16UC1' && original !== 'mono16' && original !== '32FC1')
    fail(`the original encoding "${original}" is not a depth encoding`);
  if (image.data.length <= CONFIG_HEADER) fail('it is shorter than its 12-byte header');
  const header = new DataView(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  const body = image.data.subarray(CONFIG_HEADER);
  const values = transport.endsWith('rvl') ? rvlValues(body, fail) : await pngValues(body, fail);
  if (original !== '32FC1') return toMetres(values, (value) => value * scaleM);
  const a = header.getFloat32(4, true);
  const b = header.getFloat32(8, true);
  if (!(a > 0) || !Number.isFinite(b)) fail(`the header's quantisation parameters (${a}, ${b}) are not usable`);
  // Inverse depth: v = A / z + B. The arithmetic of compressed_depth_image_transport.
  return toMetres(values, (value) => (value === 0 ? Number.NaN : a / (value - b)));
}

/** The bytes of a 16-bit grey PNG. @throws InputError `depth.compressed`, naming `what`. */
export async function decodeDepthFile(bytes: Uint8Array, what: string, scaleM: number): Promise<DepthImage> {
  const values = await pngValues(bytes, (why, cause) => {
    throw new InputError({
      code: 'depth.compressed',
      message: `${what} cannot be read as depth: ${why}`,
      remedy: 'give a 16-bit single-channel PNG',
      cause,
    });
  });
  return toMetres(values, (value) => value * scaleM);
}

interface Values {
  readonly width: number;
  readonly height: number;
  readonly data: Uint16Array;
}

type Fail = (why: string, cause?: unknown) => never;

/** No depth camera has more pixels than this; the largest (2448 x 2048) has 5 million. An all-zero RVL picture of it has some 20 bytes. */
const FREE_RVL_PIXELS = 8_000_000;
/** Larger pictures must bring at least a byte for so many pixels: zero runs alone can claim any number. */
const MOST_RVL_PIXELS_A_BYTE = 1000;

async function pngValues(bytes: Uint8Array, fail: Fail): Promise<Values> {
  try {
    const { channels, bitsPerSample } = checkImageHeader(bytes);
    if (channels !== 1 || bitsPerSample !== 16)
      return fail(`the picture has ${channels} channels of ${bitsPerSample} bits, not one of 16 bits`);
    // Without the colour space libvips would reduce the values to 8 bits.
    const { data, info } = await sharp(bytes, { limitInputPixels: MOST_PIXELS })
      .toColourspace('grey16')
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      data: new Uint16Array(data.buffer, data.byteOffset, data.length / 2),
    };
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    return fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function rvlValues(body: Uint8Array, fail: Fail): Values {
  if (body.length < 8) return fail('the RVL body is shorter than its size fields');
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const width = view.getUint32(0, true);
  const height = view.getUint32(4, true);
  const most = Math.min(MOST_PIXELS, Math.max(FREE_RVL_PIXELS, body.length * MOST_RVL_PIXELS_A_BYTE));
  if (width === 0 || height === 0 || width * height > most)
    return fail(`the RVL body of ${body.length} bytes claims ${width}x${height} pixels`);
  try {
    return { width, height, data: decodeRvl(body.subarray(8), width * height) };
  } catch (cause) {
    return fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function toMetres({ width, height, data }: Values, metresOf: (value: number) => number): DepthImage {
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = validMetres(metresOf(data[i]!));
  return { width, height, data: out };
}

function validMetres(metres: number): number {
  return metres > 0 && metres < Infinity ? metres : Number.NaN;
}
