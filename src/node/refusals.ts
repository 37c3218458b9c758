import { describeError, PlannerError } from '../core/errors.js';

export type Stage = 'sensing' | 'grounding' | 'forecasting' | 'planning' | 'visualization';

export interface Refusal {
  readonly stage: Stage;
  readonly code: string;
  readonly count: number;
  /** The first message of its kind. */
  readonly message: string;
  readonly remedy: string;
}

/** What could not be used, counted by stage and code: nothing is swallowed, and a bad stream does not flood the log. */
export class RefusalCounter {
  readonly #refusals = new Map<string, Refusal>();

  add(stage: Stage, error: unknown): void {
    const code = error instanceof PlannerError ? error.code : 'unexpected';
    const known = this.#refusals.get(`${stage} ${code}`);
    this.#refusals.set(`${stage} ${code}`, {
      stage,
      code,
      count: (known?.count ?? 0) + 1,
      message: known?.message ?? describeError(error),
      remedy:
        known?.remedy ??
        (error instanceof PlannerError ? error.remedy : 'this is a fault of the software: please report it'),
    });
  }

  get list(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }
}
