/** More elements, or axes, than any tensor that is read here has; a product of sizes below it is exact. */
const MOST_ELEMENTS = 2 ** 40;
const MOST_AXES = 16;

/** Elements of a shape, or null for one that no tensor has: a size that is negative, fractional or no number, too many axes, or too many elements. */
export function elementCount(shape: readonly unknown[]): number | null {
  if (shape.length > MOST_AXES) return null;
  let count = 1;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null;
    count *= size;
    if (count > MOST_ELEMENTS) return null;
  }
  return count;
}
