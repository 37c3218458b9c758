/**
 * Run-length and variable-length decoding of 16-bit depth (A. Wilson, "Fast Lossless Depth Image Compression", ISS 2017), as
 * compressed_depth_image_transport sends it: 3 bits a nibble with a continuation bit, in 32-bit little-endian words, highest nibble first.
 * @throws RangeError when the data end before `pixels` values, or describe more.
 */
export function decodeRvl(data: Uint8Array, pixels: number): Uint16Array {
  const words = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const out = new Uint16Array(pixels);
  let at = 0;
  let word = 0;
  let nibbles = 0;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 3) {
      if (nibbles === 0) {
        if (at + 4 > data.length || shift > 30) throw new RangeError(`RVL data end after ${data.length} bytes`);
        word = words.getUint32(at, true);
        at += 4;
        nibbles = 8;
      }
      const nibble = word >>> 28;
      word = (word << 4) >>> 0;
      nibbles--;
      value |= (nibble & 7) << shift;
      if ((nibble & 8) === 0) return value >>> 0;
    }
  };
  let previous = 0;
  for (let i = 0; i < pixels;) {
    const zeros = next();
    i += zeros;
    const values = next();
    if (i + values > pixels || (zeros === 0 && values === 0))
      throw new RangeError(`RVL data describe more than ${pixels} pixels`);
    for (const end = i + values; i < end; i++) {
      const folded = next();
      previous += (folded >>> 1) ^ -(folded & 1);
      out[i] = previous;
    }
  }
  return out;
}
