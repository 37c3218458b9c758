import { afterEach, describe, expect, it } from '@jest/globals';
import WebSocket from 'ws';
import { PolicyServer, type ClientEvent, type PolicyServerOptions } from '../../src/serving/policy-server.js';
import { encodeMessage } from '../../src/serving/message-writer.js';
import { decodeMessage } from '../../src/serving/message-reader.js';
import { policyMetadata, PolicySession, type PolicySessionOptions } from '../../src/serving/policy-session.js';
import type { MessageMap, MessageValue } from '../../src/serving/message-value.js';
import { NumpyArray } from '../../src/serving/numpy-array.js';
import { ActionExpertPolicy, type PolicyNetwork } from '../../src/planning/action-expert-policy.js';
import { ROBOTIQ_2F85 } from '../../src/core/gripper.js';

/** Step k of its n-th chunk says n + k / 100 for every joint; it remembers how many pictures it was shown. */
function countingNetwork(seen: number[] = []): PolicyNetwork {
  let n = 0;
  return {
    ...{ stateSize: 8, actionSize: 8, horizon: 4, stepS: 0.1 },
    ...{ state: { mode: 'identity' }, action: { mode: 'identity' } },
    act: (images) => {
      seen.push(images.length);
      const chunk = ++n;
      const actions = Float32Array.from({ length: 32 }, (_, i) => chunk + Math.floor(i / 8) / 100);
      return Promise.resolve({ actions, inputIds: [], timings: {} });
    },
  };
}

const OPTIONS: PolicySessionOptions = {
  ...{ cameras: ['front'], observationSteps: 2, observationStepDelta: 1, executedSteps: 2 },
  ...{ maxDeltaRad: null, seed: 0 },
  actions: 'joint_pos',
};

const observation = (extra: readonly (readonly [string, MessageValue])[] = []): Uint8Array =>
  encodeMessage(
    new Map<string, MessageValue>([
      ['task', 'lift the cube'],
      [
        'qpos',
        new Map<string, MessageValue>([
          ['arm', [0, 0, 0, 0, 0, 0, 0]],
          ['gripper', [0.1]],
        ]),
      ],
      ['front', new NumpyArray('|u1', [2, 3, 3], new Uint8Array(18))],
      ...extra,
    ]),
  );

describe('a policy server', () => {
  let server: PolicyServer | null = null;
  const events: ClientEvent[] = [];
  const sockets: WebSocket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.terminate();
    await server?.close();
    server = null;
    events.length = 0;
  });

  const start = async (options: Partial<PolicyServerOptions> = {}, seen: number[] = []): Promise<string> => {
    const policy = new ActionExpertPolicy(countingNetwork(seen));
    server = await PolicyServer.start({
      ...{ host: '127.0.0.1', port: 0, mostClients: 2, mostBytes: 1 << 16, token: null },
      metadata: policyMetadata('nano', { policy, options: OPTIONS }, ROBOTIQ_2F85),
      openSession: () => new PolicySession(policy, OPTIONS),
      onClient: (event) => events.push(event),
      ...options,
    });
    return `ws://127.0.0.1:${server.port}`;
  };

  const open = (url: string, headers: Record<string, string> = {}): WebSocket => {
    const socket = new WebSocket(url, { headers });
    // A connection that is refused, or ended by the test, says so as an error too.
    socket.on('error', () => undefined);
    sockets.push(socket);
    return socket;
  };
  const message = (socket: WebSocket): Promise<Buffer> => new Promise((resolve) => socket.once('message', resolve));
  const closed = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve));
  const status = (socket: WebSocket): Promise<number> =>
    new Promise((resolve) =>
      socket.once('unexpected-response', (_, response) => {
        resolve(response.statusCode!);
      }),
    );
  const ask = async (socket: WebSocket, data: Uint8Array): Promise<MessageMap> => {
    socket.send(data);
    return decodeMessage(await message(socket)) as MessageMap;
  };
  const firstJoint = (answer: MessageMap): number => (answer.get('arm') as NumpyArray).data[0] as number;

  it('says first what it serves, and answers step after step of a chunk, then of the next one', async () => {
    const seen: number[] = [];
    const socket = open(await start({}, seen));
    const metadata = decodeMessage(await message(socket)) as MessageMap;
    expect(metadata.get('model_name')).toBe('nano');
    const steps = [];
    for (let k = 0; k < 5; k++) steps.push(firstJoint(await ask(socket, observation())));
    // Two steps of each chunk of four are executed.
    expect(steps.map((value) => Number(value.toFixed(2)))).toEqual([1, 1.01, 2, 2.01, 3]);
    // One picture at the beginning, and the window of two afterwards.
    expect(seen).toEqual([1, 2, 2]);
  });

  it('answers a whole chunk to whoever asks for one', async () => {
    const seen: number[] = [];
    const socket = open(await start({}, seen));
    await message(socket);
    const pictures = new NumpyArray('|u1', [2, 2, 3, 3], new Uint8Array(36));
    const { shape } = (
      await ask(
        socket,
        observation([
          ['chunk', true],
          ['front', pictures],
        ]),
      )
    ).get('chunk') as NumpyArray;
    expect(shape).toEqual([4, 8]);
    expect(seen).toEqual([2]);
  });

  it.each([
    ['a camera that is missing', new Map([['task', 'x']]), 'observation.qpos'],
    ['no map', null, 'message.format'],
  ])('refuses %s by name, and goes on for others', async (_, value, code) => {
    const url = await start();
    const socket = open(url);
    await message(socket);
    socket.send(value === null ? Buffer.from([0xc1]) : encodeMessage(value));
    expect((await message(socket)).toString()).toContain(code);
    expect(await closed(socket)).toBe(1011);
    const other = open(url);
    await message(other);
    expect(firstJoint(await ask(other, observation()))).toBe(1);
  });

  it('answers every one of many observations that are sent at once, in their order', async () => {
    const socket = open(await start());
    await message(socket);
    const answers: number[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        answers.push(firstJoint(decodeMessage(data) as MessageMap));
        if (answers.length === 50) resolve();
      });
    });
    for (let k = 0; k < 50; k++) socket.send(observation());
    await all;
    expect(answers).toEqual([...answers].sort((a, b) => a - b));
  });

  it('closes a connection whose message is too large, and no other', async () => {
    const url = await start();
    const [large, small] = [open(url), open(url)];
    await Promise.all([message(large), message(small)]);
    large.send(Buffer.alloc((1 << 16) + 1));
    expect(await closed(large)).toBe(1009);
    // Its answer comes after the server has closed the other connection, too.
    expect(firstJoint(await ask(small, observation()))).toBe(1);
    expect(events).toContainEqual(expect.objectContaining({ client: 1, error: 'Max payload size exceeded' }));
  });

  it('has room for so many clients, and again when one has left', async () => {
    const url = await start();
    const first = [open(url), open(url)];
    await Promise.all(first.map(message));
    expect(await status(open(url))).toBe(503);
    first[0]!.close();
    await closed(first[0]!);
    await message(open(url));
  });

  it('lets in who has the token, and tells health to everybody', async () => {
    const url = await start({ token: 'secret' });
    expect(await status(open(url))).toBe(401);
    expect(await status(open(url, { Authorization: 'Bearer secre' }))).toBe(401);
    await message(open(url, { Authorization: 'Bearer secret' }));
    const health = await fetch(`${url.replace('ws', 'http')}/healthz`);
    expect([health.status, await health.text()]).toEqual([200, 'OK\n']);
  });

  it('says an error of the configuration when the port is taken', async () => {
    const url = await start();
    const port = Number(new URL(url).port);
    await expect(
      PolicyServer.start({
        ...{ host: '127.0.0.1', port, mostClients: 1, mostBytes: 1, token: null },
        ...{
          metadata: new Map(),
          openSession: () => new PolicySession(new ActionExpertPolicy(countingNetwork()), OPTIONS),
        },
      }),
    ).rejects.toMatchObject({ code: 'serve.listen' });
  });
});
