import JSON5 from 'json5';

export interface JsonRows {
  /** Decoded rows; undefined where a row is not JSON (cut off by the writer's fixed width). */
  readonly values: readonly unknown[];
  readonly undecodable: readonly number[];
}

/** JSON in rows of bytes, left-aligned and padded with zeros. Python's bare NaN and Infinity are read as numbers. */
export function decodeJsonRows(bytes: Uint8Array, rows: number): JsonRows {
  const width = rows === 0 ? 0 : bytes.length / rows;
  const undecodable: number[] = [];
  const values = Array.from({ length: rows }, (_, row) => {
    const text = trimZeros(bytes.subarray(row * width, (row + 1) * width));
    const value = parse(text);
    if (value === undefined) undecodable.push(row);
    return value;
  });
  return { values, undecodable };
}

/** Zero-padded UTF-8. */
export function trimZeros(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // JSON5 is slower and takes what Python writes for numbers that are not finite; a row cut in the middle fails in both.
    try {
      return JSON5.parse<unknown>(text);
    } catch {
      return undefined;
    }
  }
}
