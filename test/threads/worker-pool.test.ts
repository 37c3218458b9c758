import { expect, it } from '@jest/globals';
import { InputError } from '../../src/core/errors.js';
import { onThreads } from '../../src/threads/worker-pool.js';

const WORKER = new URL('./counting-worker.js', import.meta.url);

interface Answer {
  readonly number: number;
  readonly square: number;
  readonly answered: number;
  readonly cancelled: boolean;
}

function ask(numbers: readonly number[], threads: number, waitMs = 0, signal?: AbortSignal): Promise<Answer[]> {
  const answers: Answer[] = [];
  return onThreads<Answer>(
    WORKER,
    numbers.map((number) => ({ number, waitMs })),
    { threads, signal, onResult: (answer) => answers.push(answer) },
  ).then(() => answers);
}

it('answers everything once, however many threads there are', async () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i + 20);
  for (const threads of [1, 3]) {
    const answers = await ask(numbers, threads);
    expect(answers.map(({ number, square }) => [number, square]).sort(([a], [b]) => a! - b!)).toEqual(
      numbers.map((n) => [n, n * n]),
    );
    expect(answers.filter(({ answered }) => answered === 1).length).toBe(threads);
  }
});

it('ends with the error of a thread, as that was raised', async () => {
  const error = await ask([1, 2, 13, 4, 5, 6], 1).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  expect(error).toMatchObject({
    code: 'test.thirteen',
    message: 'thirteen is not answered',
    remedy: 'ask for another',
  });
});

it('leaves what waits when it is cancelled, and tells what is under way', async () => {
  const abort = new AbortController();
  setTimeout(() => {
    abort.abort();
  }, 400);
  const answers = await ask([1, 2, 3, 4], 1, 60_000, abort.signal);
  expect(answers).toEqual([{ number: 1, square: 1, answered: 1, cancelled: true }]);
});
