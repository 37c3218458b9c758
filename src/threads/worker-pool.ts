import { Worker } from 'node:worker_threads';
import type { Reply, ToWorker } from './messages.js';
import { toError } from './messages.js';

export interface PoolOptions<Result> {
  /** Threads, each with one request at a time. */
  readonly threads: number;
  /** Requests that have not been begun are left, and those under way are told. */
  readonly signal?: AbortSignal | undefined;
  readonly onResult: (result: Result) => void;
}

/**
 * Has requests answered by threads of one file, which serves them with `serveRequests`. The first error ends it: what waits is left, what is under way is
 * finished. Threads end themselves: one that is ended from outside while a native library works takes the process with it.
 */
export async function onThreads<Result>(
  file: URL,
  requests: readonly unknown[],
  { threads, signal, onResult }: PoolOptions<Result>,
): Promise<void> {
  const waiting = [...requests];
  const work = async (): Promise<void> => {
    const worker = new Worker(file);
    let failure: Error | null = null;
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        resolve();
      });
    });
    // Listened to all the time: an error that nobody hears would end the process.
    worker.on('error', (error: Error) => {
      failure ??= error;
    });
    const send = (message: ToWorker): void => {
      worker.postMessage(message);
    };
    const cancel = (): void => {
      send({ kind: 'cancel' });
    };
    signal?.addEventListener('abort', cancel);
    try {
      while (waiting.length > 0 && signal?.aborted !== true) {
        const request = waiting.shift();
        const answered = new Promise<Reply>((resolve) => worker.once('message', resolve));
        send({ kind: 'request', request });
        const reply = await Promise.race([answered, ended]);
        if (!reply) {
          rethrow(failure);
          throw new Error(`a thread of ${file.pathname} ended in the middle of its work`);
        }
        if ('error' in reply) throw toError(reply.error);
        onResult(reply.result as Result);
      }
    } catch (error) {
      waiting.length = 0;
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      send({ kind: 'end' });
      await ended;
    }
    rethrow(failure);
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(threads, requests.length) }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function rethrow(failure: Error | null): void {
  if (failure) throw failure;
}
