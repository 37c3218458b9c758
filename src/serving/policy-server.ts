import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { ConfigurationError, describeError } from '../core/errors.js';
import type { MessageMap } from './message-value.js';
import { PolicyConnection } from './policy-connection.js';
import type { ServedSession } from './served-session.js';
import { Turns } from './turns.js';

export interface PolicyServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metadata: MessageMap;
  /** For each client, when it connects. */
  readonly openSession: () => ServedSession;
  readonly mostClients: number;
  /** Of one message. */
  readonly mostBytes: number;
  /** What clients must give as `Authorization: Bearer TOKEN`; null lets everybody in. */
  readonly token: string | null;
  readonly now?: () => number;
  readonly onClient?: (event: ClientEvent) => void;
}

export interface ClientEvent {
  readonly client: number;
  readonly address: string;
  readonly kind: 'opened' | 'closed';
  readonly answers: number;
  /** Why the server closed it; null where it did not. */
  readonly error: string | null;
}

/** A client that has not answered a ping for so long is gone, as the published servers' library has it. */
const PING_PERIOD_MS = 20_000;

/** The policy protocol of MolmoSpaces and MolmoBot over WebSocket. Clients have sessions of their own; one of them infers at a time. */
export class PolicyServer {
  readonly #options: PolicyServerOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #turns = new Turns();
  readonly #pings: NodeJS.Timeout;
  #clients = 0;

  private constructor(options: PolicyServerOptions) {
    this.#options = options;
    this.#sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: options.mostBytes });
    this.#http = createServer((request, response) => {
      const { status, headers, body } = plainAnswer(request);
      response.writeHead(status, { ...headers, Connection: 'close' }).end(body);
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
    this.#pings = setInterval(() => {
      for (const socket of this.#sockets.clients) pingOrEnd(socket);
    }, PING_PERIOD_MS);
  }

  /** Resolves when it listens. @throws ConfigurationError `serve.listen`. */
  static async start(options: PolicyServerOptions): Promise<PolicyServer> {
    const server = new PolicyServer(options);
    const { host, port } = options;
    try {
      await new Promise<void>((resolve, reject) => {
        server.#http.once('error', reject).listen(port, host, resolve);
      });
    } catch (cause) {
      clearInterval(server.#pings);
      throw new ConfigurationError({
        code: 'serve.listen',
        message: `${host}:${port} cannot be listened on: ${describeError(cause)}`,
        remedy: 'give another --port or --host, or end the program that has it',
        cause,
      });
    }
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** Says goodbye to all clients. */
  async close(): Promise<void> {
    clearInterval(this.#pings);
    for (const socket of this.#sockets.clients) socket.close(1001, 'the server ends');
    const ended = new Promise<void>((resolve) => {
      this.#http.close(() => {
        resolve();
      });
    });
    const late = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
      this.#http.closeAllConnections();
    }, CLOSE_MS);
    await ended;
    clearTimeout(late);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A client that goes away in the middle of its handshake is no fault of ours.
    socket.on('error', () => socket.destroy());
    if (request.url === HEALTH) {
      endWith(socket, HEALTHY);
      return;
    }
    const { token, mostClients } = this.#options;
    if (token !== null && !isToken(request.headers.authorization, token)) {
      endWith(socket, { status: 401, headers: { 'WWW-Authenticate': 'Bearer' }, body: 'A bearer token is needed.\n' });
      return;
    }
    if (this.#sockets.clients.size >= mostClients) {
      endWith(socket, { status: 503, headers: {}, body: `There are ${mostClients} clients already.\n` });
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      this.#welcome(client, request.socket.remoteAddress ?? 'unknown');
    });
  }

  #welcome(socket: WebSocket, address: string): void {
    const { metadata, openSession, now = () => performance.now(), onClient = () => undefined } = this.#options;
    const client = ++this.#clients;
    const connection = new PolicyConnection(socket, openSession(), { metadata, turns: this.#turns, now });
    onClient({ client, address, kind: 'opened', answers: 0, error: null });
    let fault: string | null = null;
    // Of the protocol itself: a frame that is too large, or is none. The library closes the connection.
    socket.on('error', (error) => (fault = error.message));
    socket.on('close', () => {
      onClient({ client, address, kind: 'closed', answers: connection.answers, error: connection.error ?? fault });
    });
    socket.on('pong', () => unanswered.delete(socket));
    void connection.start();
  }
}

/** How long clients have to say goodbye. */
const CLOSE_MS = 1000;

/** Clients that were pinged and have not answered. */
const unanswered = new WeakSet<WebSocket>();

function pingOrEnd(socket: WebSocket): void {
  // One whose observations wait here is not being read from, and so its pong cannot have come.
  if (socket.isPaused) return;
  if (unanswered.has(socket)) {
    socket.terminate();
    return;
  }
  unanswered.add(socket);
  socket.ping();
}

interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const HEALTH = '/healthz';
const HEALTHY: PlainAnswer = { status: 200, headers: {}, body: 'OK\n' };
const TEXT = { 'Content-Type': 'text/plain; charset=utf-8' };

/** Only exactly /healthz is answered, as the published servers do it. */
function plainAnswer({ url, method }: IncomingMessage): PlainAnswer {
  if (method !== 'GET') return { status: 405, headers: { ...TEXT, Allow: 'GET' }, body: 'Only GET is answered.\n' };
  if (url === HEALTH) return { ...HEALTHY, headers: TEXT };
  const body =
    'Failed to open a WebSocket connection.\n\nYou cannot access a WebSocket server directly with a browser. You need a WebSocket client.\n';
  return { status: 426, headers: { ...TEXT, Upgrade: 'websocket' }, body };
}

function endWith(socket: Duplex, { status, headers, body }: PlainAnswer): void {
  const all = { ...TEXT, ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]!}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** Hashes are compared, so that the time tells nothing of the token. */
function isToken(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return header !== undefined && timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}
