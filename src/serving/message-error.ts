import { InputError } from '../core/errors.js';

/** @param why continues the sentence "the message cannot be read: ...". */
export function badMessage(why: string): InputError {
  return new InputError({
    code: 'message.format',
    message: `the message cannot be read: ${why}`,
    remedy: 'send one map, packed with msgpack and msgpack-numpy, in one binary frame',
  });
}
