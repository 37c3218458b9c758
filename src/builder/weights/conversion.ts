import { INT4_BLOCK, int4Layout } from './weights.js';

/** Largest finite float16. */
export const LARGEST_HALF = 65504;

/** float32 to float16, ties to even. */
export function toHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const sign = (b >>> 16) & 0x8000;
    const magnitude = b & 0x7fffffff;
    if (magnitude >= 0x38800000) {
      // Normal: drop 13 bits, rounding; the exponent's bias changes by 112.
      halves[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else if (magnitude > 0x33000000) {
      const shift = 126 - (magnitude >>> 23);
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const half = mantissa >>> shift;
      const rest = mantissa & ((1 << shift) - 1);
      const middle = 1 << (shift - 1);
      halves[i] = sign | (half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0));
    } else halves[i] = sign;
  }
  return halves;
}

/** float32 to bfloat16, ties to even. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
}

export interface QuantizedRows {
  /** Two numbers in a byte, the first in its lower half. */
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
}

/** Rows of a matrix to 4 bits: each block of columns gets the scale and zero point that span its values, zero among them (MatMulNBits). */
export function toInt4(rows: Float32Array, columns: number): QuantizedRows {
  const count = rows.length / columns;
  const { blocks, zeroBytes } = int4Layout(columns);
  const values = new Uint8Array((count * blocks * INT4_BLOCK) / 2);
  const scales = new Float32Array(count * blocks);
  const zeroPoints = new Uint8Array(count * zeroBytes);
  for (let row = 0; row < count; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * INT4_BLOCK;
      const to = Math.min(from + INT4_BLOCK, (row + 1) * columns);
      let low = 0;
      let high = 0;
      for (let i = from; i < to; i++) {
        const x = rows[i]!;
        if (x < low) low = x;
        else if (x > high) high = x;
      }
      const scale = Math.fround((high - low) / 15) || 1;
      const zero = Math.min(15, Math.max(0, Math.round(-low / scale)));
      scales[row * blocks + block] = scale;
      zeroPoints[row * zeroBytes + (block >> 1)]! |= zero << (4 * (block & 1));
      const target = ((row * blocks + block) * INT4_BLOCK) / 2;
      for (let i = 0; i < INT4_BLOCK; i++) {
        const at = from + i;
        const q = at < to ? Math.min(15, Math.max(0, Math.round(rows[at]! / scale) + zero)) : zero;
        values[target + (i >> 1)]! |= q << (4 * (i & 1));
      }
    }
  }
  return { values, scales, zeroPoints };
}
