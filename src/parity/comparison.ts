import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeNpy, type Tensor } from '../tensors/npy.js';

/** One value of a golden case against ours. */
export interface Comparison {
  readonly case: string;
  readonly stage: string;
  /** Largest absolute difference; for exact values the number of differing ones. Null where it was not computed. */
  readonly difference: number | null;
  /** 0 asks for equality; null reports only. */
  readonly tolerance: number | null;
  readonly verdict: 'pass' | 'fail' | 'reported' | 'refused' | 'skipped';
  readonly note?: string;
}

/** Numbers of one stage, in whatever array they came. */
export type Numbers = ArrayLike<number> | ArrayLike<bigint>;

/** Collects the comparisons of one case. */
export class CaseReport {
  readonly rows: Comparison[] = [];
  readonly #case: string;
  readonly #scale: number | null;

  /** @param leastTolerance widens the tolerance of floats for coarser weights; null only reports them. */
  constructor(name: string, leastTolerance: number | null = 0) {
    this.#case = name;
    this.#scale = leastTolerance;
  }

  floats(stage: string, actual: Numbers, expected: Numbers, tolerance: number): void {
    const difference = largestDifference(actual, expected);
    const allowed = this.#scale === null ? null : Math.max(tolerance, this.#scale);
    // Not "greater than": a difference that is no number fails too.
    const verdict = allowed === null ? 'reported' : difference <= allowed ? 'pass' : 'fail';
    this.rows.push({ case: this.#case, stage, difference, tolerance: allowed, verdict });
  }

  exact(stage: string, actual: Numbers, expected: Numbers): void {
    const count =
      actual.length === expected.length
        ? Array.from(expected as ArrayLike<number>).filter((value, i) => Number(value) !== Number(actual[i])).length
        : Math.max(actual.length, expected.length);
    this.rows.push({
      case: this.#case,
      stage,
      difference: count,
      tolerance: 0,
      verdict: count === 0 ? 'pass' : 'fail',
      ...(actual.length !== expected.length && { note: `${actual.length} values instead of ${expected.length}` }),
    });
  }

  /** Token choices of coarser weights may differ; they are counted then, and not judged. */
  tokens(stage: string, actual: Numbers, expected: Numbers): void {
    this.exact(stage, actual, expected);
    if (this.#scale === 0) return;
    const row = this.rows.pop()!;
    this.rows.push({ ...row, tolerance: null, verdict: 'reported' });
  }

  text(stage: string, actual: string, expected: string): void {
    this.rows.push({
      case: this.#case,
      stage,
      difference: actual === expected ? 0 : 1,
      tolerance: 0,
      verdict: actual === expected ? 'pass' : 'fail',
    });
  }

  note(stage: string, verdict: Comparison['verdict'], note: string): void {
    this.rows.push({ case: this.#case, stage, difference: null, tolerance: null, verdict, note });
  }
}

function largestDifference(actual: Numbers, expected: Numbers): number {
  if (actual.length !== expected.length) return Number.NaN;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(Number(actual[i]) - Number(expected[i]));
    if (!(difference <= largest)) largest = difference;
    if (Number.isNaN(largest)) return largest;
  }
  return largest;
}

export async function readNpy(folder: string, file: string): Promise<Tensor> {
  return decodeNpy(await readFile(path.join(folder, file)), path.join(folder, file));
}

/** Rows of a row-major matrix. */
export function rowsOf(data: Float32Array, width: number, rows: readonly number[]): Float32Array {
  const picked = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    picked.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return picked;
}

/** Every `step`-th row. */
export function everyRow(data: Float32Array, width: number, step: number): Float32Array {
  const count = Math.ceil(data.length / width / step);
  return rowsOf(
    data,
    width,
    Array.from({ length: count }, (_, i) => i * step),
  );
}
