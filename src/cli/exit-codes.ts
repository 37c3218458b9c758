import { CancelledError, ConfigurationError, InputError, OutputError, RetryableError } from '../core/errors.js';

/** Exit codes of every command; the README's table says the same. */
export const EXIT = { ok: 0, unexpected: 1, usage: 2, input: 3, output: 4, failed: 5, interrupted: 130 } as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CancelledError) return EXIT.interrupted;
  if (error instanceof ConfigurationError) return EXIT.usage;
  if (error instanceof InputError || error instanceof RetryableError) return EXIT.input;
  if (error instanceof OutputError) return EXIT.output;
  return EXIT.unexpected;
}
