import type { ImageLayout } from './model-input.js';
import type { PatchGrid } from './pooling.js';

/** Tiles of an image, rows and columns. */
export type Tiling = readonly [rows: number, columns: number];

export interface CropSizes {
  /** Pixels. */
  readonly cropSize: readonly [height: number, width: number];
  readonly patchSize: number;
}

/**
 * The tiling that enlarges an image least, or, where all shrink it, shrinks it least; ties go to fewer tiles (`select_tiling`).
 * Scales are float32 quotients, as in both published implementations.
 */
export function selectTiling(
  height: number,
  width: number,
  maxTiles: number,
  { cropSize, patchSize }: CropSizes,
  { overlapMargins: [before, after], clampTilingSize }: Pick<ImageLayout, 'overlapMargins' | 'clampTilingSize'>,
): Tiling {
  const margin = (before + after) * patchSize;
  const reduced = (size: number): number => (clampTilingSize ? Math.max(size - margin, 1) : size - margin);
  const candidates: Tiling[] = [];
  for (let rows = 1; rows <= maxTiles; rows++)
    for (let columns = 1; rows * columns <= maxTiles; columns++) candidates.push([rows, columns]);
  candidates.sort((a, b) => a[0] * a[1] - b[0] * b[1] || a[0] - b[0]);
  const scales = candidates.map(([rows, columns]) =>
    Math.min(
      Math.fround((rows * (cropSize[0] - margin)) / reduced(height)),
      Math.fround((columns * (cropSize[1] - margin)) / reduced(width)),
    ),
  );
  const allShrink = scales.every((scale) => scale < 1);
  const scores = allShrink ? scales.map((scale) => -scale) : scales.map((scale) => (scale < 1 ? Infinity : scale));
  return candidates[scores.indexOf(Math.min(...scores))]!;
}

/**
 * Which patch of which tile stands where in the tiled image: patches in the margin that a neighbour overlaps are dropped.
 * @param first id of the first tile's first patch.
 */
export function tileGrid(
  [rows, columns]: Tiling,
  { cropSize, patchSize }: CropSizes,
  [before, after]: readonly [number, number],
  first: number,
): PatchGrid {
  const patches: readonly [number, number] = [cropSize[0] / patchSize, cropSize[1] / patchSize];
  /** For each patch along an axis of the whole: tile, and patch in the tile. */
  const axis = (tiles: number, size: number): (readonly [tile: number, patch: number])[] =>
    Array.from({ length: tiles }, (_, tile) => tile).flatMap((tile) => {
      const from = tile === 0 ? 0 : before;
      const to = tile === tiles - 1 ? size : size - after;
      return Array.from({ length: to - from }, (_, i) => [tile, from + i] as const);
    });
  const rowAxis = axis(rows, patches[0]);
  const columnAxis = axis(columns, patches[1]);
  const ids = rowAxis.flatMap(([tileRow, row]) =>
    columnAxis.map(
      ([tileColumn, column]) =>
        first + (tileRow * columns + tileColumn) * patches[0] * patches[1] + row * patches[1] + column,
    ),
  );
  return { rows: rowAxis.length, columns: columnAxis.length, ids: Int32Array.from(ids) };
}
