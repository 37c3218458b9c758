import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import WebSocket from 'ws';
import { decodeMessage } from '../../src/serving/message-reader.js';
import type { MessageMap, MessageValue } from '../../src/serving/message-value.js';
import { encodeMessage } from '../../src/serving/message-writer.js';
import { NumpyArray } from '../../src/serving/numpy-array.js';
import { expectOneError, PROGRAM, run } from './program.js';

const BUNDLE = path.resolve(import.meta.dirname, '../../models/nano-policy');

describe('molmo-motion serve', () => {
  let child: ChildProcess | null = null;

  afterEach(() => {
    child?.kill('SIGKILL');
    child = null;
  });

  it('answers a client with limited joint positions, and ends with Ctrl-C', async () => {
    const server = spawn(process.execPath, [PROGRAM, 'serve', '--bundle', BUNDLE, '--port', '0']);
    child = server;
    const ended = new Promise<number | null>((resolve) => server.once('exit', resolve));
    const url = await new Promise<string>((resolve) => {
      let said = '';
      server.stderr.on('data', (text: Buffer) => {
        said += text.toString();
        const found = /ws:\S+/.exec(said);
        if (found) resolve(found[0]);
      });
    });
    const socket = new WebSocket(url);
    const message = (): Promise<MessageMap> =>
      new Promise((resolve) =>
        socket.once('message', (data: Buffer) => {
          resolve(decodeMessage(data) as MessageMap);
        }),
      );
    expect((await message()).get('model_name')).toBe('nano-policy');
    const arm = [0, -0.7853, 0, -2.35619, 0, 1.57079, 0];
    const picture = new NumpyArray('|u1', [180, 320, 3], new Uint8Array(180 * 320 * 3));
    socket.send(
      encodeMessage(
        new Map<string, MessageValue>([
          ['task', 'put the red block into the bowl'],
          [
            'qpos',
            new Map<string, MessageValue>([
              ['arm', arm],
              ['gripper', [0, 0]],
            ]),
          ],
          ['exo_camera_1', picture],
          ['wrist_camera', picture],
        ]),
      ),
    );
    const answer = await message();
    const joints = [...((answer.get('arm') as NumpyArray).data as Float32Array)];
    // The published clamp.
    joints.forEach((q, j) => {
      expect(Math.abs(q - arm[j]!)).toBeLessThanOrEqual(0.2 + 1e-6);
    });
    expect([0, 255]).toContain((answer.get('gripper') as NumpyArray).data[0]);
    expect([...(answer.get('server_timing') as MessageMap).keys()]).toContain('total_ms');
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    server.kill('SIGINT');
    // Going away (RFC 6455).
    expect([await closed, await ended]).toEqual([1001, 0]);
  });

  it('an empty token is an error', async () => {
    process.env['MOLMO_MOTION_TOKEN'] = '';
    const ended = await run(['serve', '--bundle', BUNDLE, '--port', '0']);
    delete process.env['MOLMO_MOTION_TOKEN'];
    expectOneError(ended, 2, /the token in MOLMO_MOTION_TOKEN is empty/);
  });
});
