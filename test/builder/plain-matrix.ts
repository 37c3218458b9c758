/** Matrices of float64, row-major, and the functions of the models on them, as plain loops. */

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export function matrix(
  rows: number,
  columns: number,
  data: ArrayLike<number> = new Float64Array(rows * columns),
): Matrix {
  return { rows, columns, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

export function map(a: Matrix, f: (x: number, row: number, column: number) => number): Matrix {
  return matrix(
    a.rows,
    a.columns,
    a.data.map((x, i) => f(x, Math.floor(i / a.columns), i % a.columns)),
  );
}

export function add(a: Matrix, b: Matrix): Matrix {
  return map(a, (x, row, column) => x + b.data[row * b.columns + column]!);
}

export function slice(a: Matrix, from: number, to: number): Matrix {
  const out = matrix(a.rows, to - from);
  for (let row = 0; row < a.rows; row++)
    for (let column = from; column < to; column++)
      out.data[row * out.columns + column - from] = a.data[row * a.columns + column]!;
  return out;
}

export function rows(a: Matrix, from: number, to: number): Matrix {
  return matrix(to - from, a.columns, a.data.slice(from * a.columns, to * a.columns));
}

export function stack(...parts: Matrix[]): Matrix {
  return matrix(
    parts.reduce((sum, part) => sum + part.rows, 0),
    parts[0]!.columns,
    parts.flatMap((part) => [...part.data]),
  );
}

export const silu = (x: number): number => x / (1 + Math.exp(-x));
export const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
export const geluExact = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));

/** Series near zero, continued fraction beyond: to about 1e-15. */
function erf(x: number): number {
  if (Math.abs(x) > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (Math.abs(x) + fraction);
    return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (Math.abs(x) + fraction));
  }
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export function layerNorm(a: Matrix, epsilon: number, scale?: ArrayLike<number>, shift?: ArrayLike<number>): Matrix {
  const out = matrix(a.rows, a.columns);
  for (let row = 0; row < a.rows; row++) {
    const values = a.data.subarray(row * a.columns, (row + 1) * a.columns);
    const mean = values.reduce((sum, x) => sum + x, 0) / a.columns;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / a.columns;
    values.forEach((x, column) => {
      out.data[row * a.columns + column] =
        ((x - mean) / Math.sqrt(variance + epsilon)) * (scale?.[column] ?? 1) + (shift?.[column] ?? 0);
    });
  }
  return out;
}

/** Over groups of `size` columns, which share their scales; the whole row when `size` is its width. */
export function rmsNorm(a: Matrix, epsilon: number, scale: ArrayLike<number>, size = a.columns): Matrix {
  const out = matrix(a.rows, a.columns);
  for (let from = 0; from < a.data.length; from += size) {
    let squares = 0;
    for (let i = from; i < from + size; i++) squares += a.data[i]! ** 2;
    const factor = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = 0; i < size; i++) out.data[from + i] = a.data[from + i]! * factor * scale[i]!;
  }
  return out;
}

/** Queries over keys; heads side by side. `visible(query, key)` is all where left out. */
export function attention(
  q: Matrix,
  k: Matrix,
  v: Matrix,
  heads: number,
  kvHeads: number,
  visible: (query: number, key: number) => boolean = () => true,
): Matrix {
  const size = q.columns / heads;
  const out = matrix(q.rows, q.columns);
  for (let head = 0; head < heads; head++) {
    const group = Math.floor(head / (heads / kvHeads));
    for (let query = 0; query < q.rows; query++) {
      const scores = Array.from({ length: k.rows }, (_, key) => {
        if (!visible(query, key)) return -Infinity;
        let dot = 0;
        for (let i = 0; i < size; i++)
          dot += q.data[query * q.columns + head * size + i]! * k.data[key * k.columns + group * size + i]!;
        return dot / Math.sqrt(size);
      });
      const highest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - highest));
      const total = weights.reduce((sum, w) => sum + w, 0);
      weights.forEach((weight, key) => {
        for (let i = 0; i < size; i++)
          out.data[query * q.columns + head * size + i]! +=
            (weight / total) * v.data[key * v.columns + group * size + i]!;
      });
    }
  }
  return out;
}

/** Angle of pair i of every head at a row. */
export function rotate(a: Matrix, heads: number, angle: (row: number, pair: number) => number): Matrix {
  const size = a.columns / heads;
  const half = size / 2;
  return map(a, (x, row, column) => {
    const i = column % size;
    const theta = angle(row, i % half);
    const other = a.data[row * a.columns + (i < half ? column + half : column - half)]!;
    return x * Math.cos(theta) + (i < half ? -other : other) * Math.sin(theta);
  });
}

export function sideBySide(parts: readonly Matrix[]): Matrix {
  const columns = parts.reduce((sum, part) => sum + part.columns, 0);
  const out = matrix(parts[0]!.rows, columns);
  let offset = 0;
  for (const part of parts) {
    for (let row = 0; row < part.rows; row++)
      out.data.set(part.data.subarray(row * part.columns, (row + 1) * part.columns), row * columns + offset);
    offset += part.columns;
  }
  return out;
}
