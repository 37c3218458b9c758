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
  readonly #coarse: number | null;

  /**
   * @param coarseTolerance of floats where the weights are coarser than the reference's, as a part of the stage's largest value (or of 1); null
   * only reports them. Goldens are made so that errors show: rounding their weights to float16, and nothing else, moves values by up to 1 %.
   */
  constructor(name: string, coarseTolerance: number | null = 0) {
    this.#case = name;
    this.#coarse = coarseTolerance;
  }

  floats(stage: string, actual: Numbers, expected: Numbers, tolerance: number): void {
    const difference = largestDifference(actual, expected);
    const allowed = this.#coarse === null ? null : Math.max(tolerance, this.#coarse * Math.max(1, largest(expected)));
    // Not "greater than": a difference that is no number fails too.
    const verdict = allowed === null ? 'reported' : difference <= allowed ? 'pass' : 'fail';
    this.rows.push({ case: this.#case, stage, difference, tolerance: allowed, verdict });
  }

  exact(stage: string, actual: Numbers, expected: Numbers): void {
    const count =
      actual.length === expected.length
        ? Array.from<number | bigint>(expected).filter((value, i) => Number(value) !== Number(actual[i])).length
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
    if (this.#coarse === 0) return;
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

function largest(values: Numbers): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(Number(values[i])));
  return most;
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

/**
 * Logits of the steps that had the same tokens before them: what follows a differing choice is another text.
 * @param width of the vocabulary.
 */
export function sameStory(
  logits: Float32Array,
  tokens: readonly number[],
  expectedTokens: Numbers,
  width: number,
): (expected: Float32Array) => readonly [actual: Float32Array, expected: Float32Array] {
  const differs = tokens.findIndex((token, i) => token !== Number(expectedTokens[i]));
  const steps = differs < 0 ? Math.max(tokens.length, expectedTokens.length) : differs + 1;
  return (expected) => [logits.subarray(0, steps * width), expected.subarray(0, steps * width)];
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
