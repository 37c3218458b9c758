import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import WebSocket from 'ws';
import { decodeMessage } from '../../src/serving/message-reader.js';
import { isMap, type MessageMap } from '../../src/serving/message-value.js';
import { PolicyServer } from '../../src/serving/policy-server.js';
import type { ServedSession } from '../../src/serving/served-session.js';
import { describeShared } from '../golden/shared.js';
import { GoldenSession, goldenIndex, WEBSOCKET, type GoldenEvent } from './golden-session.js';
import { treeOf } from './message-tree.js';

const bytesOf = ({ file }: GoldenEvent): Buffer => readFileSync(path.join(WEBSOCKET, file!));

/** What came over one connection, in order; `next` waits for it. */
class Conversation {
  readonly #socket: WebSocket;
  readonly #came: (Buffer | string | { readonly code: number; readonly reason: string })[] = [];
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    const came = (what: Buffer | string | { code: number; reason: string }): void => {
      this.#came.push(what);
      this.#wake();
    };
    this.#socket.on('message', (data: Buffer, isBinary) => {
      came(isBinary ? data : data.toString());
    });
    this.#socket.on('close', (code, reason) => {
      came({ code, reason: reason.toString() });
    });
  }

  async next(): Promise<Buffer | string | { readonly code: number; readonly reason: string }> {
    while (this.#came.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#came.shift()!;
  }

  send(data: Buffer, isText: boolean): void {
    this.#socket.send(data, { binary: !isText });
  }

  close(): void {
    this.#socket.close(1000);
  }
}

describeShared('conversations of the published servers', 'golden/websocket', () => {
  const { sessions } = goldenIndex();
  let server: PolicyServer | null = null;

  afterEach(async () => {
    await server?.close();
    server = null;
  });

  const start = async (metadata: MessageMap, openSession: () => ServedSession): Promise<number> => {
    server = await PolicyServer.start({
      ...{ host: '127.0.0.1', port: 0, metadata, openSession },
      ...{ mostClients: 4, mostBytes: 1 << 24, token: null },
    });
    return server.port;
  };

  /** Policies as the recordings had them: with a state for each client, or one that all of them share; ours always gives each client its own. */
  const policies: Readonly<Record<string, () => () => ServedSession>> = {
    ms_plain: () => {
      const counter = { calls: 0 };
      return () => new GoldenSession(counter);
    },
    ms_error: () => {
      const counter = { calls: 0 };
      return () => new GoldenSession(counter, 2);
    },
    mb_error: () => () => new GoldenSession(undefined, 2),
  };

  it.each(['ms_plain', 'ms_stateful', 'ms_error', 'ms_bad_input', 'mb_plain', 'mb_error', 'mb_full_size'])(
    '%s is answered as it was recorded',
    async (name) => {
      const { events } = sessions[name]!;
      const first = events.find(({ kind }) => kind === 'binary')!;
      const make = policies[name] ?? (() => () => new GoldenSession());
      const port = await start(decodeMessage(bytesOf(first)) as MessageMap, make());
      const clients = new Map<number, Conversation>();
      let answers = 0;
      for (const event of events) {
        const isOpening = event.kind === 'http' && event.direction === 'client->server';
        if (isOpening) clients.set(event.connection, new Conversation(port));
        if (event.kind === 'http') continue;
        const client = clients.get(event.connection)!;
        if (event.direction === 'client->server') {
          if (event.kind === 'close') {
            if (event.code === 1000) client.close();
          } else client.send(bytesOf(event), event.kind === 'text');
          continue;
        }
        const came = await client.next();
        answers++;
        if (event.kind === 'close') expect(came).toEqual({ code: event.code, reason: event.reason ?? '' });
        else if (event.kind === 'text') expect(typeof came).toBe('string');
        else compareAnswer(decodeMessage(came as Buffer), event.decoded);
      }
      expect(answers).toBe(events.filter((e) => e.direction === 'server->client' && e.kind !== 'http').length);
    },
  );

  it('/healthz is answered, other plain requests are told to upgrade, and a WebSocket opens on any path', async () => {
    const port = await start(new Map([['model_name', 'golden-http']]), () => new GoldenSession());
    for (const request of sessions['http']!.events.filter((e) => e.direction === 'client->server' && e.start_line)) {
      const target = request.start_line!.split(' ')[1]!;
      const recorded = sessions['http']!.events.find(
        (e) => e.connection === request.connection && e.direction === 'server->client' && e.start_line,
      )!;
      const status = Number(recorded.start_line!.split(' ')[1]);
      if (status === 101) continue;
      const answer = await fetch(`http://127.0.0.1:${port}${target}`);
      expect([target, answer.status]).toEqual([target, status]);
      if (status === 200) expect(await answer.text()).toBe(recorded.body);
    }
    const socket = new WebSocket(`ws://127.0.0.1:${port}/any/path`);
    const [metadata] = await new Promise<[Buffer]>((resolve) =>
      socket.once('message', (...all) => {
        resolve(all as never);
      }),
    );
    expect(Buffer.compare(metadata, readFileSync(path.join(WEBSOCKET, 'http', '01_s5.bin')))).toBe(0);
    socket.close();
  });

  it('a second client is answered while the first is connected, from a session of its own', async () => {
    // The published MolmoBot server makes it wait, and resets the policy of the first one.
    const { events } = sessions['mb_two_clients']!;
    const port = await start(new Map([['model_name', 'x']]), () => new GoldenSession());
    const [one, two] = [new Conversation(port), new Conversation(port)];
    for (const client of [one, two]) await client.next();
    const asked = events.filter((e) => e.direction === 'client->server' && e.kind === 'binary');
    for (const { connection, file } of asked) {
      const client = connection === 1 ? one : two;
      client.send(bytesOf({ file } as GoldenEvent), false);
      expect(isMap(decodeMessage((await client.next()) as Buffer))).toBe(true);
    }
  });
});

/** Times are of this machine; that they are there, and of which kind, is what the protocol says. */
function compareAnswer(answer: ReturnType<typeof decodeMessage>, recorded: unknown): void {
  const { server_timing: ours, ...action } = treeOf(answer) as Record<string, unknown>;
  const { server_timing: theirs, ...expected } = recorded as Record<string, unknown>;
  expect(action).toEqual(expected);
  if (!theirs) return;
  for (const [name, ms] of Object.entries(theirs)) {
    const own = (ours as Record<string, number>)[name];
    expect([name, typeof own]).toEqual([name, 'number']);
    if (Number.isInteger(ms)) expect(Number.isInteger(own)).toBe(true);
  }
}
