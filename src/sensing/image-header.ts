/** What the header of a JPEG or PNG file says of it. */
export interface ImageHeader {
  readonly format: 'jpeg' | 'png';
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly channels: number;
}

/** An 8K picture (7680 x 4320) has 33 million pixels, and no camera of a robot has more. */
export const MOST_PIXELS = 36_000_000;

const PNG_MAGIC = '89504e470d0a1a0a';
/** By the colour type of PNG: grey, (unused), RGB, palette, grey with alpha, (unused), RGB with alpha. */
const PNG_CHANNELS = [1, 0, 3, 3, 2, 0, 4] as const;

/**
 * Reads the header of a JPEG or PNG file; null for anything else. Whoever decodes a file asks this first: a decoder that is left to find out the
 * format by itself also runs those of SVG, GIF, TIFF and others, which no camera sends, and takes the memory that they ask for.
 */
export function readImageHeader(bytes: Uint8Array): ImageHeader | null {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length >= 29 && data.toString('hex', 0, 8) === PNG_MAGIC && data.toString('latin1', 12, 16) === 'IHDR') {
    const channels = PNG_CHANNELS[data[25]!] ?? 0;
    return {
      format: 'png',
      width: data.readUInt32BE(16),
      height: data.readUInt32BE(20),
      bitsPerSample: data[24]!,
      channels,
    };
  }
  return data.length >= 4 && data.readUInt16BE(0) === 0xffd8 ? readJpegHeader(data) : null;
}

/** @throws RangeError for bytes that are no JPEG or PNG, or a picture of more than MOST_PIXELS: before memory is taken for its pixels. */
export function checkImageHeader(bytes: Uint8Array): ImageHeader {
  if (bytes.length === 0) throw new RangeError('it has no data');
  const header = readImageHeader(bytes);
  if (!header) throw new RangeError('it is neither a JPEG nor a PNG file');
  const { width, height } = header;
  if (width * height > MOST_PIXELS)
    throw new RangeError(`its header claims ${width}x${height} pixels, more than the ${MOST_PIXELS} that are read`);
  return header;
}

/** Walks the segments of a JPEG to the one that begins a frame (SOF; ITU-T T.81, B.2.2). */
function readJpegHeader(data: Buffer): ImageHeader | null {
  for (let at = 2; at + 10 <= data.length;) {
    if (data[at] !== 0xff) return null;
    const marker = data[at + 1]!;
    // Fill bytes, and markers without a segment.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else {
      // C4, C8 and CC are tables and an extension, not frames.
      if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
        return {
          format: 'jpeg',
          bitsPerSample: data[at + 4]!,
          height: data.readUInt16BE(at + 5),
          width: data.readUInt16BE(at + 7),
          channels: data[at + 9]!,
        };
      }
      at += 2 + data.readUInt16BE(at + 2);
    }
  }
  return null;
}
