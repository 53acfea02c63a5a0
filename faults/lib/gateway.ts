import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** One request that came by, as a server's access log would have it. */
export interface Seen {
  method: string;
  /** Without the query. */
  path: string;
  query: string;
  /** Whether it carried a key. */
  authorized: boolean;
  /** Milliseconds on the monotonic clock. */
  at: number;
  /** What the client was answered; absent while it waits, and when it never was. */
  status?: number;
}

export type Fault =
  /** Answered here; the backend never hears of it. */
  | { status: number; body?: string; headers?: Record<string, string> }
  /** Never answered. */
  | 'hang'
  /** The backend gets it and answers; the answer is lost with the connection. */
  | 'lose'
  /** The first half of the backend's answer, and then nothing. */
  | 'stall'
  /** Reaches the backend this much later. */
  | { delayMs: number }
  /** The backend's answer, changed on its way. */
  | { change: (body: string) => string; headers?: Record<string, string> };

/**
 * Stands between agents and the backend and does to single requests what a bad network, a bad proxy or a bad backend does.
 * What it cannot see, such as stalls below HTTP, is the fault proxy's.
 */
export class Gateway {
  readonly url: string;
  readonly seen: Seen[] = [];
  /** Asked for each request; nothing means that it passes. */
  rule: (request: Seen) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #backend: () => string;
  readonly #open = new Map<string, number>();
  readonly #highest = new Map<string, number>();

  static async start(backend: () => string): Promise<Gateway> {
    const server = createServer({ requestTimeout: 0 });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Gateway(server, backend);
  }

  private constructor(server: Server, backend: () => string) {
    this.#server = server;
    this.#backend = backend;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
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

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [path = '', query = ''] = (incoming.url ?? '').split('?');
    const { method = '' } = incoming;
    const authorized = incoming.headers.authorization !== undefined;
    const seen: Seen = { method, path, query, authorized, at: performance.now() };
    this.seen.push(seen);
    this.#count(path, 1);
    outgoing.once('close', () => {
      this.#count(path, -1);
      if (outgoing.headersSent) seen.status = outgoing.statusCode;
    });
    try {
      await this.#answer(this.rule(seen), incoming, outgoing);
    } catch {
      // The backend is away, as far as the client can tell: so it would look without a gateway.
      outgoing.destroy();
    }
  }

  async #answer(
    fault: Fault | undefined,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    if (fault === 'hang') return;
    if (typeof fault === 'object' && 'status' in fault) {
      incoming.resume();
      outgoing.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (typeof fault === 'object' && 'delayMs' in fault)
      await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    const answer = await this.#pass(incoming);
    if (fault === 'lose') {
      await buffer(answer);
      outgoing.destroy();
      return;
    }
    const headers = { ...answer.headers };
    if (fault === 'stall') {
      const body = await buffer(answer);
      outgoing.writeHead(answer.statusCode!, headers).write(body.subarray(0, body.length / 2));
      return;
    }
    if (typeof fault !== 'object' || !('change' in fault)) {
      outgoing.writeHead(answer.statusCode!, headers);
      answer.pipe(outgoing);
      return;
    }
    const body = fault.change((await buffer(answer)).toString());
    delete headers['content-length'];
    outgoing.writeHead(answer.statusCode!, { ...headers, ...fault.headers }).end(body);
  }

  async #pass(incoming: IncomingMessage): Promise<IncomingMessage> {
    const { method, headers } = incoming;
    const forwarded = request(new URL(incoming.url!, this.#backend()), { method, headers, agent: false });
    incoming.pipe(forwarded);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    return answer;
  }

  #count(path: string, change: 1 | -1): void {
    const open = (this.#open.get(path) ?? 0) + change;
    this.#open.set(path, open);
    this.#highest.set(path, Math.max(open, this.highest(path)));
  }
}
