/** Sum of each patch for each channel, row-major [patches, 3]. @param pixels uint8 [patches, patch * patch * 3]. */
export function patchSums(pixels: Uint8Array, patchSize: number): number[] {
  const size = patchSize * patchSize * 3;
  return Array.from({ length: pixels.length / size }, (_, patch) => {
    const sums = [0, 0, 0];
    for (let i = 0; i < size; i++) sums[i % 3]! += pixels[patch * size + i]!;
    return sums;
  }).flat();
}
