/** 8-bit RGB, row-major, tightly packed: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Z along the optical axis in metres, row-major. NaN marks every pixel without a measurement (REP 118's 0, NaN, +-Inf, negatives). */
export interface DepthImage {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** One byte a pixel, row-major; non-zero is inside. */
export interface MaskImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
