import {
  CancelledError,
  ConfigurationError,
  describeError,
  InputError,
  OutputError,
  PlannerError,
  RetryableError,
  type ErrorDetail,
} from '../core/errors.js';

export type ToWorker =
  { readonly kind: 'request'; readonly request: unknown } | { readonly kind: 'cancel' } | { readonly kind: 'end' };

export type Reply = { readonly result: unknown } | { readonly error: SentError };

/** An error on its way to another thread, which would make a plain one of it. */
export interface SentError extends Omit<ErrorDetail, 'cause'> {
  readonly type: string;
  readonly stack: string | undefined;
}

const TYPES = { InputError, ConfigurationError, RetryableError, OutputError } as const;

export function fromError(error: unknown): SentError {
  const stack = error instanceof Error ? error.stack : undefined;
  if (!(error instanceof PlannerError))
    return { type: 'Error', code: '', message: describeError(error), remedy: '', stack };
  return { type: error.name, code: error.code, message: error.message, remedy: error.remedy, stack };
}

export function toError({ type, stack, ...detail }: SentError): Error {
  const error = make(type, detail);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function make(type: string, detail: ErrorDetail): Error {
  if (type === CancelledError.name) return new CancelledError(detail.message.replace(/ was cancelled$/, ''));
  return type in TYPES ? new TYPES[type as keyof typeof TYPES](detail) : new Error(detail.message);
}
