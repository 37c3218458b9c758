import type { ActionChunk, RecordedCommands } from '../core/action-chunk.js';
import { percentile } from '../core/statistics.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import { isClosing } from '../execution/reference-command.js';

export interface ChunkFigures {
  readonly chunks: number;
  readonly steps: number;
  /** Largest difference of any arm joint in a step, radians: over all steps, and over those that would be executed. */
  readonly arm_error_rad: ErrorSummary;
  readonly executed_arm_error_rad: ErrorSummary;
  /** Mean difference of each arm joint, radians. */
  readonly per_joint_rad: readonly number[];
  /** Share of steps in which both mean the same by the gripper, open or closed. */
  readonly gripper_agreement: number;
}

export interface ErrorSummary {
  readonly mean: number;
  readonly p95: number;
  readonly max: number;
}

/** Compares chunks, step by step, with the commands that were really given at those times. */
export class ChunkComparison {
  readonly #commands: RecordedCommands;
  readonly #executedSteps: number;
  readonly #errors: number[] = [];
  readonly #executed: number[] = [];
  #jointSums: number[] = [];
  #agreements = 0;
  #chunks = 0;

  constructor(commands: RecordedCommands, executedSteps: number) {
    this.#commands = commands;
    this.#executedSteps = executedSteps;
  }

  /** Steps beyond the recording, and of another number of joints, have nothing to be compared with. */
  add({ stamp, stepS, steps }: ActionChunk): void {
    const before = this.#errors.length;
    steps.forEach((step, k) => {
      const command = commandAt(this.#commands, stamp + fromSeconds(k * stepS));
      if (command?.length !== step.length) return;
      const differences = step.slice(0, -1).map((value, j) => Math.abs(value - command[j]!));
      const error = Math.max(...differences);
      this.#errors.push(error);
      if (k < this.#executedSteps) this.#executed.push(error);
      this.#jointSums = differences.map((difference, j) => (this.#jointSums[j] ?? 0) + difference);
      if (isClosing(step.at(-1)!) === isClosing(command.at(-1)!)) this.#agreements++;
    });
    if (this.#errors.length > before) this.#chunks++;
  }

  /** Null when nothing could be compared. */
  figures(): ChunkFigures | null {
    const steps = this.#errors.length;
    if (steps === 0) return null;
    return {
      chunks: this.#chunks,
      steps,
      arm_error_rad: summarizeErrors(this.#errors),
      executed_arm_error_rad: summarizeErrors(this.#executed),
      per_joint_rad: this.#jointSums.map((sum) => sum / steps),
      gripper_agreement: this.#agreements / steps,
    };
  }
}

/** The command of the row nearest to a time, not further than half a step; null where there is none. */
export function commandAt({ stamps, stepS, actions }: RecordedCommands, time: Nanoseconds): readonly number[] | null {
  const first = stamps[0];
  if (first === undefined) return null;
  const row = Math.round(Number(time - first) / 1e9 / stepS);
  const stamp = stamps[row];
  if (stamp === undefined || Math.abs(Number(stamp - time)) / 1e9 > stepS / 2) return null;
  return actions[row] ?? null;
}

/** @param values at least one. */
export function summarizeErrors(values: readonly number[]): ErrorSummary {
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    p95: percentile(values, 95),
    max: values.reduce((most, value) => Math.max(most, value), 0),
  };
}
