import type { CancelledError } from '../core/errors.js';

/** Rejects when the signal aborts, whatever the work does then. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal, error: CancelledError): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(error);
    };
    signal.addEventListener('abort', abort, { once: true });
    work
      .finally(() => {
        signal.removeEventListener('abort', abort);
      })
      .then(resolve, reject);
  });
}
