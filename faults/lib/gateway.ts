import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Relay } from './relay.ts';

/** One request that came by, as a server's access log would have it. */
export interface Seen {
  method: string;
  /** Without the query. */
  path: string;
  query: string;
  /** Who says to ask. */
  agentId: string | undefined;
  /** Whether it carried a key. */
  authorized: boolean;
  /** Which one: the how-manieth of all that came by, from 0. */
  key: number | undefined;
  lastEventId: string | undefined;
  /** Milliseconds on the monotonic clock. */
  at: number;
  /** What the client was answered; absent while it waits, and when it never was. Of a stream: from its beginning. */
  status?: number;
}

export type Fault =
  /** Answered here; the backend never hears of it. */
  | { status: number; body?: string; headers?: Record<string, string> }
  /** Never answered. */
  | 'hang'
  /** The connection is reset; the backend never hears of it. */
  | 'refuse'
  /** The backend gets it and answers; the answer is lost with the connection. */
  | 'lose'
  /** The first half of the backend's answer, and then nothing. Of a stream: its headers. */
  | 'stall'
  /** Reaches the backend this much later. */
  | { delayMs: number }
  /** Reaches the backend once that has happened. */
  | { after: Promise<unknown> }
  /** The backend's answer comes through once that has happened. */
  | { answerAfter: Promise<unknown> }
  /** Reaches the backend without this header. */
  | { without: string }
  /** The backend's answer, changed on its way. */
  | { change: (body: string) => string; headers?: Record<string, string> }
  /** Of a stream: each piece goes here instead of to the client. */
  | { through: (piece: Buffer, relay: Relay) => void };

const ISSUES_KEYS = /\/agents(\/[^/]+\/(generate|rotate)-key)?$/;
const KEY = /sk_live_[0-9a-f]{64}/g;

/**
 * Stands between agents and the backend and does to single requests what a bad network, a bad proxy or a bad backend does.
 * What it cannot see, such as stalls below HTTP, is the fault proxy's.
 */
export class Gateway {
  readonly url: string;
  readonly seen: Seen[] = [];
  /** Every key that a request or the answer to one carried, in this order. */
  readonly keys: string[] = [];
  /** Every stream the backend has ever opened, oldest first. */
  readonly streams: Relay[] = [];
  /** Asked for each request; nothing means that it passes. */
  rule: (request: Seen) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #backend: () => string;
  readonly #open = new Map<string, number>();
  readonly #highest = new Map<string, number>();

  static async start(backend: () => string, tls?: { key: Buffer; cert: Buffer }): Promise<Gateway> {
    const options = { requestTimeout: 0 };
    const server = tls ? createSecureServer({ ...options, ...tls }) : createServer(options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Gateway(server, backend, tls ? 'https' : 'http');
  }

  private constructor(server: Server, backend: () => string, scheme: string) {
    this.#server = server;
    this.#backend = backend;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (incoming: IncomingMessage, outgoing: ServerResponse) => {
      void this.#handle(incoming, outgoing);
    });
  }

  count(wanted: (request: Seen) => boolean): number {
    return this.seen.filter(wanted).length;
  }

  /** The most requests of one path that were ever open at the same time. */
  highest(path: string): number {
    return this.#highest.get(path) ?? 0;
  }

  /** The stream that was opened last, if it is still open. */
  get stream(): Relay | undefined {
    const latest = this.streams.at(-1);
    return latest?.open ? latest : undefined;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const stream of this.streams) stream.close();
    this.#server.closeAllConnections();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [path = '', ...rest] = (incoming.url ?? '').split('?');
    const { method = '', headers } = incoming;
    const seen: Seen = {
      method,
      path,
      query: rest.join('?'),
      agentId: headers['x-agent-id'] as string | undefined,
      authorized: headers.authorization !== undefined,
      key: headers.authorization === undefined ? undefined : this.#numberOf(headers.authorization.slice(7)),
      lastEventId: headers['last-event-id'] as string | undefined,
      at: performance.now(),
    };
    this.seen.push(seen);
    this.#count(path, 1);
    outgoing.once('close', () => {
      this.#count(path, -1);
      if (outgoing.headersSent) seen.status = outgoing.statusCode;
    });
    try {
      await this.#answer(this.rule(seen), seen, incoming, outgoing);
    } catch {
      // The backend is away, as far as the client can tell: so it would look without a gateway.
      outgoing.destroy();
    }
  }

  async #answer(
    fault: Fault | undefined,
    seen: Seen,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    if (fault === 'hang') return;
    if (fault === 'refuse') {
      incoming.socket.resetAndDestroy();
      return;
    }
    const given = typeof fault === 'object' ? fault : undefined;
    if (given && 'status' in given) {
      incoming.resume();
      outgoing.writeHead(given.status, given.headers).end(given.body);
      return;
    }
    if (given && 'delayMs' in given) await new Promise((resolve) => setTimeout(resolve, given.delayMs));
    if (given && 'after' in given) await given.after;
    const headers = { ...incoming.headers };
    if (given && 'without' in given) delete headers[given.without];
    const answer = await this.#pass(incoming, headers);
    if (isStream(answer)) this.#relay(fault, seen, answer, outgoing);
    else await passOn(fault, answer, outgoing);
  }

  async #pass(incoming: IncomingMessage, headers: IncomingHttpHeaders): Promise<IncomingMessage> {
    const { method, url } = incoming;
    const forwarded = request(new URL(url!, this.#backend()), { method, headers, agent: false });
    incoming.pipe(forwarded);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    if (ISSUES_KEYS.test(url!)) this.#keepKeysOf(answer);
    return answer;
  }

  /** A key whose answer is lost is a key as well. */
  #keepKeysOf(answer: IncomingMessage): void {
    let body = '';
    answer.on('data', (chunk: Buffer) => {
      body += chunk;
      for (const [key] of body.matchAll(KEY)) this.#numberOf(key);
    });
  }

  #numberOf(key: string): number {
    if (!this.keys.includes(key)) this.keys.push(key);
    return this.keys.indexOf(key);
  }

  #relay(fault: Fault | undefined, seen: Seen, answer: IncomingMessage, outgoing: ServerResponse): void {
    const relay = new Relay(seen, answer, outgoing);
    seen.status = answer.statusCode!;
    if (typeof fault === 'object' && 'through' in fault) relay.through = fault.through;
    if (fault === 'stall') relay.silence();
    if (fault === 'lose') relay.cut();
    this.streams.push(relay);
  }

  #count(path: string, change: 1 | -1): void {
    const open = (this.#open.get(path) ?? 0) + change;
    this.#open.set(path, open);
    this.#highest.set(path, Math.max(open, this.highest(path)));
  }
}

async function passOn(
  fault: Fault | undefined,
  answer: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (fault === 'lose') {
    await buffer(answer);
    outgoing.destroy();
    return;
  }
  const headers = { ...answer.headers };
  if (typeof fault === 'object' && 'answerAfter' in fault) {
    const body = await buffer(answer);
    await fault.answerAfter;
    outgoing.writeHead(answer.statusCode!, headers).end(body);
    return;
  }
  if (fault === 'stall') {
    const body = await buffer(answer);
    outgoing.writeHead(answer.statusCode!, headers).write(body.subarray(0, body.length / 2));
    return;
  }
  if (typeof fault !== 'object' || !('change' in fault)) {
    outgoing.writeHead(answer.statusCode!, headers);
    // Where one side breaks off, so does the other.
    pipeline(answer, outgoing, () => {});
    return;
  }
  const body = fault.change((await buffer(answer)).toString());
  delete headers['content-length'];
  outgoing.writeHead(answer.statusCode!, { ...headers, ...fault.headers }).end(body);
}

function isStream({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 200 && (headers['content-type'] ?? '').startsWith('text/event-stream');
}
