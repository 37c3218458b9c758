import type { MessageMap, MessageValue } from '../../src/serving/message-value.js';
import { isMap } from '../../src/serving/message-value.js';
import { NumpyArray } from '../../src/serving/numpy-array.js';
import { sharedJson, sharedPath } from '../golden/shared.js';
import { InputError } from '../../src/core/errors.js';
import type { PreparedQuery, ServedSession } from '../../src/serving/served-session.js';

/** Where the recorded conversations of the published servers and client lie. */
export const WEBSOCKET = sharedPath('golden', 'websocket');

export interface GoldenEvent {
  readonly connection: number;
  readonly direction: 'client->server' | 'server->client';
  readonly kind: 'http' | 'binary' | 'text' | 'close';
  readonly file?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly decoded?: unknown;
  readonly start_line?: string;
  readonly body?: string;
  readonly text?: string;
}

export function goldenIndex(): {
  readonly policy_offset_OFF: readonly number[];
  readonly sessions: Readonly<Record<string, { readonly events: readonly GoldenEvent[] }>>;
} {
  return sharedJson('golden', 'websocket', 'index.json');
}

/** The recordings' dummy policy: arm = qpos.arm + n * OFF in float32, gripper 0 or 255 for odd and even calls n. */
export class GoldenSession implements ServedSession {
  readonly #counter: { calls: number };
  readonly #offset = goldenIndex().policy_offset_OFF;
  readonly #failsAt: number | null;

  /** @param counter shared by the sessions of a policy that is not reset by a new connection. */
  constructor(counter = { calls: 0 }, failsAt: number | null = null) {
    this.#counter = counter;
    this.#failsAt = failsAt;
  }

  observe(message: MessageValue): PreparedQuery {
    const qpos = isMap(message) ? message.get('qpos') : undefined;
    const arm = isMap(qpos) ? qpos.get('arm') : undefined;
    const joints = arm instanceof NumpyArray ? [...(arm.data as Float32Array)] : (arm as number[] | undefined);
    if (!joints) throw new InputError({ code: 'observation.qpos', message: 'no qpos', remedy: 'send it' });
    return { needsPolicy: true, infer: () => this.#infer(joints) };
  }

  #infer(joints: readonly number[]): Promise<{ toAnswer: () => MessageMap }> {
    const n = ++this.#counter.calls;
    if (n === this.#failsAt) return Promise.reject(new Error('the policy raises'));
    const f = Math.fround;
    const toAnswer = (): MessageMap =>
      new Map([
        ['arm', NumpyArray.float32(joints.map((q, j) => f(f(q) + f(f(n) * f(this.#offset[j]!)))))],
        ['gripper', NumpyArray.float32([n % 2 === 1 ? 0 : 255])],
      ]);
    return Promise.resolve({ toAnswer });
  }
}
