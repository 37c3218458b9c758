/** Patch ids in rows and columns; -1 where there is none. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
  readonly ids: Int32Array;
}

/** All patches of one crop, from `first` on. */
export function cropGrid(rows: number, columns: number, first: number): PatchGrid {
  return { rows, columns, ids: Int32Array.from({ length: rows * columns }, (_, i) => first + i) };
}

export interface PooledGrid {
  readonly rows: number;
  readonly columns: number;
  /** Row-major [rows * columns, window]: patch ids of each token, -1 for an empty slot. */
  readonly windows: readonly number[];
}

/**
 * Windows of a grid, padded evenly where it does not divide (the larger half behind): the reference's `arange_for_pooling`.
 * Inside a window rows come first.
 */
export function poolGrid(grid: PatchGrid, [windowRows, windowColumns]: readonly [number, number]): PooledGrid {
  const rows = Math.ceil(grid.rows / windowRows);
  const columns = Math.ceil(grid.columns / windowColumns);
  const before = {
    rows: Math.floor((rows * windowRows - grid.rows) / 2),
    columns: Math.floor((columns * windowColumns - grid.columns) / 2),
  };
  const windows: number[] = [];
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let dr = 0; dr < windowRows; dr++)
        for (let dc = 0; dc < windowColumns; dc++) {
          const row = r * windowRows + dr - before.rows;
          const column = c * windowColumns + dc - before.columns;
          const inside = row >= 0 && row < grid.rows && column >= 0 && column < grid.columns;
          windows.push(inside ? grid.ids[row * grid.columns + column]! : -1);
        }
  return { rows, columns, windows };
}
