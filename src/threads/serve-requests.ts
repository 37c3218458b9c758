import { parentPort } from 'node:worker_threads';
import { fromError, type Reply, type ToWorker } from './messages.js';

/**
 * The other side of `onThreads`: answers requests one after the other until there are no more.
 * @param work rejects with CancelledError soon after its signal. @param close what was opened on the way, before the thread ends.
 */
export function serveRequests(
  work: (request: never, signal: AbortSignal) => Promise<unknown>,
  close: () => Promise<void> = () => Promise.resolve(),
): void {
  const port = parentPort!;
  const abort = new AbortController();
  const reply = (message: Reply): void => {
    port.postMessage(message);
  };
  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'request':
        // Whoever starts the thread and the thread agree on what a request is; the pool in between does not know.
        work(message.request as never, abort.signal).then(
          (result) => {
            reply({ result });
          },
          (error: unknown) => {
            reply({ error: fromError(error) });
          },
        );
        return;
      case 'cancel':
        abort.abort();
        return;
      case 'end':
        // What cannot be closed ends with the thread.
        close()
          .catch(() => undefined)
          .finally(() => {
            port.close();
          });
    }
  });
}
