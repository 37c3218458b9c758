/** How a vector becomes the network's numbers and back (MolmoBot, `robot_processing.py`). */
export type Normalization =
  | { readonly mode: 'identity' }
  | { readonly mode: 'mean_std'; readonly mean: readonly number[]; readonly std: readonly number[] }
  | {
      readonly mode: 'min_max' | 'quantiles' | 'quantile10';
      readonly low: readonly number[];
      readonly high: readonly number[];
    };

/** Least range and deviation that is divided by. */
const LEAST = Math.fround(1e-6);
const f = Math.fround;

/** Not clipped: numbers beyond -1..1 are legal. Every operation is rounded to float32, as NumPy does it. */
export function normalize(values: ArrayLike<number>, by: Normalization): Float32Array {
  return Float32Array.from(values, (value, i) => {
    const x = f(value);
    switch (by.mode) {
      case 'identity':
        return x;
      case 'mean_std':
        return f(f(x - f(by.mean[i]!)) / Math.max(f(by.std[i]!), LEAST));
      default: {
        const low = f(by.low[i]!);
        const range = Math.max(f(f(by.high[i]!) - low), LEAST);
        return f(f(f(2 * f(x - low)) / range) - 1);
      }
    }
  });
}

/** The inverse uses the range itself, however small it is. */
export function unnormalize(values: ArrayLike<number>, by: Normalization): Float32Array {
  return Float32Array.from(values, (value, i) => {
    const x = f(value);
    switch (by.mode) {
      case 'identity':
        return x;
      case 'mean_std':
        return f(f(x * f(by.std[i]!)) + f(by.mean[i]!));
      default: {
        const low = f(by.low[i]!);
        return f(f(f(f(x + 1) * f(f(by.high[i]!) - low)) / 2) + low);
      }
    }
  });
}
