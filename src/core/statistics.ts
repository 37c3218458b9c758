/** Median of the finite and infinite values given; NaN of none. Even counts average the two middle values, as numpy does. */
export function median(values: readonly number[] | Float64Array): number {
  return percentile(values, 50);
}

/** Percentile in [0, 100] with linear interpolation between order statistics (numpy's default). NaN of no values. */
export function percentile(values: readonly number[] | Float64Array, percent: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const position = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(position);
  const high = Math.ceil(position);
  const fraction = position - low;
  // Written so that infinities at both ends do not turn into NaN.
  return fraction === 0 ? sorted[low]! : sorted[low]! + (sorted[high]! - sorted[low]!) * fraction;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
