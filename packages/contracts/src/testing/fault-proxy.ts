import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server } from 'node:net';
import type { Direction, Faults } from './fault-proxy/faults.ts';
import { Link } from './fault-proxy/link.ts';

const LOOPBACK = '127.0.0.1';

/** Where a proxy passes connections on to: an address, or the URL of a server. */
export type FaultProxyTarget = string | URL | { host?: string; port: number };

/** A fault by the name of the method that sets it. */
export type FaultName = keyof Faults | 'down';

/**
 * A TCP proxy on loopback that behaves badly on demand, for a test of anything that speaks TCP. Faults hold for open and
 * new connections alike, until {@link heal}; several may hold at once. Without a fault it is a plain proxy: bytes, ends
 * and resets of one side reach the other.
 *
 *     const proxy = await FaultProxy.start({ target: server.url });
 *     const client = new Client(proxy.url());
 *     proxy.dropResponses();
 *     await assert.rejects(client.send('hello'));
 *     await proxy.close();
 */
export class FaultProxy {
  /** On 127.0.0.1; it stays the same for the life of the proxy. */
  readonly port: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #faults: Faults = {};
  readonly #counts = { up: 0, down: 0 };
  #connections = 0;
  #closed = false;
  #target: { host: string; port: number };
  /** `down`, `heal` and `close` one after another, however they are called. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Listens on a free port of 127.0.0.1. The target need not be there yet. */
  static async start({ target }: { target: FaultProxyTarget }): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await listen(server, 0);
    return new FaultProxy(server, target);
  }

  private constructor(server: Server, target: FaultProxyTarget) {
    this.#server = server;
    this.#target = address(target);
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      this.#connections += 1;
      const upstream = dial({ ...this.#target, allowHalfOpen: true, noDelay: true });
      const link = new Link(client, upstream, this.#faults, this.#counts);
      this.#links.add(link);
      void link.closed.then(() => this.#links.delete(link));
    });
  }

  /** The proxy's own address as the URL of `path`. */
  url(path = ''): string {
    return `http://${LOOPBACK}:${this.port}${path}`;
  }

  /** Connections taken since the start. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections of which at least one side is open. */
  get open(): number {
    return this.#links.size;
  }

  /** Bytes handed on from clients to the target; what a fault swallowed is not counted. */
  get bytesUp(): number {
    return this.#counts.up;
  }

  /** Bytes handed on from the target to clients. */
  get bytesDown(): number {
    return this.#counts.down;
  }

  /** New connections go here, as when a backend came back on another port; open ones stay where they are. */
  retarget(target: FaultProxyTarget): void {
    this.#target = address(target);
  }

  /** Bytes and ends arrive `ms` later, and up to `jitterMs` more, each way: a round trip takes twice that. Order is kept. */
  latency(ms: number, jitterMs = 0): void {
    this.#faults.latency = { ms, jitterMs };
  }

  /** Each connection carries this many bytes a second, each way. */
  throttle(bytesPerSecond: number): void {
    this.#faults.throttle = bytesPerSecond;
  }

  /**
   * Connections stay open and new ones are taken, but bytes, ends and resets vanish; with a `direction`, only those going
   * `up` (to the target) or `down` (to the client). A connection that lost something is reset once it is healed: TCP has
   * no holes.
   */
  blackHole({ direction }: { direction?: Direction } = {}): void {
    this.#faults.blackHole = direction ?? 'both';
    for (const link of this.#links) link.resetIfTorn();
  }

  /**
   * Lets each connection carry `bytes` more in one direction; the receiver sees exactly those and then a plain end of
   * stream, the sender a reset. With 0, the first byte that comes ends it.
   */
  cutAfter({ bytes, direction }: { bytes: number; direction: Direction }): void {
    this.#faults.cutAfter = { bytes, direction };
  }

  /** The end of a stream arrives `ms` after its last byte. */
  slowClose(ms: number): void {
    this.#faults.slowClose = ms;
  }

  /**
   * The next `count` times that the target begins to answer, the answer is dropped and its connection reset: the target
   * has done the work and the client cannot know. Over TLS its part of the handshake is an answer too.
   */
  dropResponses(count = 1): void {
    this.#faults.dropResponses = count;
  }

  /** Resets the open connections. New ones work. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Resets the open connections and refuses new ones. Resolves once the port is closed. */
  down(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#server.listening) return;
      const closed = [once(this.#server, 'close'), ...Array.from(this.#links, (link) => link.closed)];
      this.#server.close();
      this.reset();
      await Promise.all(closed);
    });
  }

  /** Ends these faults, or all of them. Bytes that are late already stay late. Resolves once connections are taken. */
  heal(...names: FaultName[]): Promise<void> {
    const all = names.length === 0;
    for (const name of all ? (Object.keys(this.#faults) as FaultName[]) : names)
      if (name !== 'down') delete this.#faults[name];
    for (const link of this.#links) link.resetIfTorn();
    return this.#inTurn(async () => {
      const isDown = !this.#server.listening && !this.#closed;
      if (isDown && (all || names.includes('down'))) await listen(this.#server, this.port);
    });
  }

  /** Resets what is open and frees the port, for good. Resolves once nothing of the proxy is left, timers included. */
  close(): Promise<void> {
    this.#closed = true;
    return this.down();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {}); // Its caller hears of it.
    return done;
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, LOOPBACK);
  await once(server, 'listening');
}

function address(target: FaultProxyTarget): { host: string; port: number } {
  if (typeof target === 'object' && !(target instanceof URL))
    return { host: target.host ?? LOOPBACK, port: target.port };
  const { hostname, port, protocol } = new URL(target);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}
