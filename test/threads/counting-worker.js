// Answers for the test of the pool; it needs the built program.
import { InputError } from '../../dist/core/errors.js';
import { serveRequests } from '../../dist/threads/serve-requests.js';

let answered = 0;
serveRequests(
  async ({ number, waitMs }, signal) => {
    answered++;
    if (number === 13)
      throw new InputError({ code: 'test.thirteen', message: 'thirteen is not answered', remedy: 'ask for another' });
    for (let waited = 0; waited < waitMs && !signal.aborted; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return { number, square: number * number, answered, cancelled: signal.aborted };
  },
  async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
  },
);
