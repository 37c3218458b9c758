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
    const ended = new Promise<void>((resolve) =>
      worker.once('exit', () => {
        resolve();
      }),
    );
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
        const reply = await ask(worker, () => {
          send({ kind: 'request', request });
        });
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
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(threads, requests.length) }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function ask(worker: Worker, send: () => void): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const done = (reply: Reply): void => {
      worker.off('error', reject);
      resolve(reply);
    };
    worker.once('message', done);
    worker.once('error', reject);
    send();
  });
}
