/** Nearest integer, ties to even: Python's round and NumPy's rint, which the published pipelines use. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
