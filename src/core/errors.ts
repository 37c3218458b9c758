/** What an error tells: a stable code for programs, the thing, and what to do about it. Formatting is the reader's business. */
export interface ErrorDetail {
  /** Dotted, stable identifier such as `image.encoding`; reports count refusals by it. */
  readonly code: string;
  /** One sentence that names the thing and the offending value. */
  readonly message: string;
  /** What the reader can do. */
  readonly remedy: string;
  readonly cause?: unknown;
}

export abstract class PlannerError extends Error {
  readonly code: string;
  readonly remedy: string;

  constructor(detail: ErrorDetail) {
    super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.code = detail.code;
    this.remedy = detail.remedy;
  }
}

/** This message, file or value cannot be used; the next one may be good. Counted as a refusal where data stream in. */
export class InputError extends PlannerError {}

/** The request itself is wrong (options, parameters, configuration): repeating it cannot help. */
export class ConfigurationError extends PlannerError {}

/** Not now: the same request can succeed later (a transform that has not arrived, a full queue). */
export class RetryableError extends PlannerError {}

/** The output could not be written whole; nothing stands under its final name. */
export class OutputError extends PlannerError {}

/** Raised where the user or a caller cancelled; not a fault. */
export class CancelledError extends PlannerError {
  constructor(what: string) {
    super({ code: 'cancelled', message: `${what} was cancelled`, remedy: 'run it again to complete it' });
  }
}

export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
