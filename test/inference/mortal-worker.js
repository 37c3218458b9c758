import { parentPort } from 'node:worker_threads';

/** Stands in for the thread of a session: answers every run with nothing, and dies of one whose input is called `poison`. */
parentPort.on('message', ({ id, kind, inputs }) => {
  if (kind === 'load') parentPort.postMessage({ id, kind: 'loaded', inputs: [], outputs: [], ms: 0 });
  else if ('poison' in inputs) process.exit(3);
  else parentPort.postMessage({ id, kind: 'done', outputs: {}, ms: 0 });
});
