import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { InputError } from '../../src/core/errors.js';
import { decodeMessage } from '../../src/serving/message-reader.js';
import { encodeMessage } from '../../src/serving/message-writer.js';
import type { MessageMap, MessageValue } from '../../src/serving/message-value.js';
import { describeShared, sharedJson } from '../golden/shared.js';
import { goldenIndex, WEBSOCKET } from './golden-session.js';
import { goldenTree, treeOf } from './message-tree.js';

interface GoldenCase {
  readonly file: string;
  readonly required: 'accept' | 'reject' | 'either';
  readonly decoded?: unknown;
}

describeShared('messages of the policy protocol', 'golden/websocket', () => {
  const { cases } = sharedJson<{ cases: Record<string, GoldenCase> }>('golden', 'websocket', 'msgpack', 'cases.json');
  const bytesOf = (file: string): Uint8Array => readFileSync(path.join(WEBSOCKET, file));

  /** What is read, or null where it is refused as an InputError; anything else fails the test. */
  const read = (file: string): { readonly value: MessageValue } | null => {
    try {
      return { value: decodeMessage(bytesOf(file)) };
    } catch (error) {
      if (error instanceof InputError && error.code === 'message.format') return null;
      throw error;
    }
  };

  // 134 objects, of which the set's own file says how a safe reader takes them.
  it.each(Object.entries(cases))('%s is read or refused as it must be', (_, { file, required, decoded }) => {
    const found = read(file);
    if (required === 'reject') expect(found).toBeNull();
    if (required === 'accept') expect(found).not.toBeNull();
    if (found && decoded !== undefined) expect(treeOf(found.value)).toEqual(goldenTree(decoded));
  });

  const binaries = Object.values(goldenIndex().sessions).flatMap(({ events }) =>
    events.filter(({ kind, decoded }) => kind === 'binary' && decoded !== null && decoded !== undefined),
  );

  it('every message of the recorded conversations is read as the reference reads it', () => {
    // 30 messages of clients and 50 of servers; counted in index.json.
    expect(binaries.length).toBeGreaterThan(70);
    for (const { file, decoded } of binaries)
      expect([file, treeOf(decodeMessage(bytesOf(file!)))]).toEqual([file, goldenTree(decoded)]);
  });

  it('what a server says is packed again into the very bytes of the reference, and what a client says into the same values', () => {
    const maps = binaries.filter(({ decoded }) => !Array.isArray(decoded));
    for (const { file, direction } of maps) {
      const bytes = bytesOf(file!);
      const packed = encodeMessage(decodeMessage(bytes) as MessageMap);
      if (direction === 'server->client') expect([file, Buffer.compare(packed, bytes)]).toEqual([file, 0]);
      // Simulators send 0.0, which is packed as 0.
      else expect(treeOf(decodeMessage(packed))).toEqual(treeOf(decodeMessage(bytes)));
    }
  });
});
