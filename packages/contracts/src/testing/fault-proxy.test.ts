import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FaultProxy } from './fault-proxy.ts';

/** The connections a TCP server has taken, in order. */
let accepted: End[];
let server: Server;
let proxy: FaultProxy;

beforeEach(async () => {
  accepted = [];
  ({ server } = await tcpServer((socket) => accepted.push(new End(socket))));
  proxy = await FaultProxy.start({ target: { port: portOf(server) } });
});

afterEach(async () => {
  await proxy.close();
  for (const { socket } of accepted) socket.destroy();
});

describe('FaultProxy without a fault', () => {
  it('passes bytes both ways and counts them', async () => {
    const { client, peer } = await pair();
    client.socket.write('ping');
    await peer.receives('ping');
    peer.socket.write('pong!');
    await client.receives('pong!');
    expect([proxy.connections, proxy.open, proxy.bytesUp, proxy.bytesDown]).toEqual([1, 1, 4, 5]);
  });

  it('passes the end of one direction and keeps the other open', async () => {
    const { client, peer } = await pair();
    client.socket.end('last words');
    await peer.endsAfter('last words');
    peer.socket.end('heard');
    await client.endsAfter('heard');
    await vi.waitFor(() => expect(proxy.open).toBe(0));
  });

  it('passes a reset of either side', async () => {
    const one = await pair();
    one.peer.socket.resetAndDestroy();
    await one.client.isReset();
    const other = await pair();
    other.client.socket.resetAndDestroy();
    await other.peer.isReset();
    await vi.waitFor(() => expect(proxy.open).toBe(0));
  });

  it('resets a client whose target is not there', async () => {
    proxy.retarget({ port: await freePort() });
    await dialed().isReset();
  });

  it('does not read on from a sender whose receiver does not read', async () => {
    const { client, peer } = await pair();
    peer.socket.pause();
    let sent = 0;
    const block = Buffer.alloc(1024 * 1024);
    const writeOn = (error?: Error | null) => {
      if (error) return;
      sent += block.length;
      client.socket.write(block, writeOn);
    };
    writeOn();
    await settled(() => sent);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    peer.socket.resume();
    const before = sent;
    await vi.waitFor(() => expect(sent).toBeGreaterThan(before + 64 * 1024 * 1024), 10_000);
  });

  it.each([
    ['a URL', (port: number) => `http://127.0.0.1:${port}/ignored`],
    ['a URL object', (port: number) => new URL(`http://localhost:${port}`)],
    ['an address', (port: number) => ({ host: '127.0.0.1', port })],
  ])('takes %s for its target', async (_, target) => {
    const { url } = await httpServer(() => 'hello');
    const other = await FaultProxy.start({ target: target(Number(new URL(url).port)) });
    onTestFinished(() => other.close());
    expect(other.url('/a?b')).toBe(`http://127.0.0.1:${other.port}/a?b`);
    expect(await (await fetch(other.url('/a?b'))).text()).toBe('hello');
  });

  it('sends new connections elsewhere once it is retargeted, and leaves open ones', async () => {
    const { client, peer } = await pair();
    const { url } = await httpServer(() => 'the new one');
    proxy.retarget(url);
    expect(await (await fetch(proxy.url())).text()).toBe('the new one');
    client.socket.write('still here');
    await peer.receives('still here');
  });
});

describe('FaultProxy', () => {
  it('latency: makes each way take longer, for open connections too, and keeps the order', async () => {
    const { client, peer } = await pair();
    proxy.latency(100, 50);
    const began = performance.now();
    for (const digit of '0123456789') {
      client.socket.write(digit);
      await turn();
    }
    await peer.receives('0123456789');
    expect(performance.now() - began).toBeGreaterThanOrEqual(100);
    peer.socket.write('back');
    await client.receives('back');
    expect(performance.now() - began).toBeGreaterThanOrEqual(200);
  });

  it('latency: does not narrow the connection', async () => {
    const { client, peer } = await pair();
    proxy.latency(200);
    const began = performance.now();
    client.socket.write(Buffer.alloc(4 * 1024 * 1024));
    await peer.receives('\0'.repeat(4 * 1024 * 1024));
    // Each of its pieces held by itself would take over ten seconds.
    expect(performance.now() - began).toBeLessThan(8_000);
  });

  it('down: resets what is open and refuses what comes, until it is healed on the same port', async () => {
    const { client, peer } = await pair();
    await proxy.down();
    await client.isReset();
    await peer.isReset();
    await dialed().failsWith('ECONNREFUSED');
    await proxy.heal();
    await roundTrip(await pair());
  });

  it('reset: ends the open connections and takes new ones', async () => {
    const { client, peer } = await pair();
    proxy.reset();
    await client.isReset();
    await peer.isReset();
    await roundTrip(await pair());
  });

  it('reset: leaves nothing of a connection that is just ending', async () => {
    const { client, peer } = await pair();
    const { end } = Socket.prototype;
    const spy = vi.spyOn(Socket.prototype, 'end').mockImplementation(function (this: Socket, ...args) {
      end.apply(this, args);
      if (this !== client.socket) proxy.reset();
      return this;
    });
    onTestFinished(() => spy.mockRestore());
    client.socket.end();
    await vi.waitFor(() => expect(proxy.open).toBe(0));
    peer.socket.destroy();
  });

  it('blackHole: takes connections and bytes, and nothing comes out', async () => {
    const open = await pair();
    proxy.blackHole();
    const late = dialed();
    await once(late.socket, 'connect');
    open.client.socket.end('into the void');
    open.peer.socket.write('into the void');
    late.socket.write('hello?');
    await vi.waitFor(() => expect(accepted).toHaveLength(2));
    await silence();
    for (const side of [open.client, open.peer, late])
      expect(side).toMatchObject({ text: '', over: undefined });
    expect([proxy.bytesUp, proxy.bytesDown]).toEqual([0, 0]);
  });

  it('blackHole: swallows the reset of one side', async () => {
    const { client, peer } = await pair();
    proxy.blackHole();
    peer.socket.resetAndDestroy();
    await silence();
    expect(client.over).toBeUndefined();
    await proxy.heal();
    await client.isReset();
  });

  it('blackHole: swallows one direction alone', async () => {
    const { client, peer } = await pair();
    proxy.blackHole({ direction: 'down' });
    client.socket.write('a question');
    await peer.receives('a question');
    peer.socket.write('an answer');
    await silence();
    expect(client).toMatchObject({ text: '', over: undefined });
  });

  it('blackHole: once healed, resets what has a hole and keeps what lost nothing', async () => {
    const [torn, whole] = [await pair(), await pair()];
    proxy.blackHole({ direction: 'up' });
    torn.client.socket.write('lost');
    await silence();
    proxy.blackHole({ direction: 'up' });
    expect(torn.client.over).toBeUndefined();
    await proxy.heal('blackHole');
    await torn.client.isReset();
    await roundTrip(whole);
  });

  it.each([
    [0, ''],
    [5, '01234'],
    [20, '0123456789abcdefghij'],
  ])('cutAfter: ends a connection after exactly %i bytes', async (bytes, text) => {
    const { client, peer } = await pair();
    proxy.cutAfter({ bytes, direction: 'down' });
    client.socket.write('the other direction is not counted');
    await peer.receives('the other direction is not counted');
    peer.socket.write('0123456789');
    if (bytes > 10) {
      await client.receives('0123456789');
      expect(client.over).toBeUndefined();
    }
    peer.socket.write('abcdefghijklm');
    await client.endsAfter(text);
    await peer.isReset();
    expect(proxy.bytesDown).toBe(bytes);
  });

  it('cutAfter: an HTTP client gets half an answer and an error', async () => {
    const { url } = await httpServer(() => 'x'.repeat(10_000));
    proxy.retarget(url);
    proxy.cutAfter({ bytes: 5_000, direction: 'down' });
    const response = await fetch(proxy.url());
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } });
  });

  it('slowClose: holds back the end, not the bytes', async () => {
    const { client, peer } = await pair();
    proxy.slowClose(150);
    const began = performance.now();
    peer.socket.end('all of it');
    await client.receives('all of it');
    expect(client.over).toBeUndefined();
    await client.endsAfter('all of it');
    expect(performance.now() - began).toBeGreaterThanOrEqual(150);
  });

  it('dropResponses: the server does the work and the client hears of a reset, as often as asked', async () => {
    const done: string[] = [];
    const { url } = await httpServer((path) => `did ${done.push(path)}`);
    proxy.retarget(url);
    const ask = async (path: string) => (await fetch(proxy.url(path), { method: 'POST' })).text();
    expect(await ask('/1')).toBe('did 1');
    proxy.dropResponses(2);
    await expect(ask('/2')).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    await expect(ask('/3')).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(await ask('/4')).toBe('did 4');
    expect(done).toEqual(['/1', '/2', '/3', '/4']);
  });

  it('throttle: carries so many bytes a second and no more, each way', async () => {
    const { client, peer } = await pair();
    proxy.throttle(100_000);
    const began = performance.now();
    client.socket.write(Buffer.alloc(30_000, 'a'));
    peer.socket.write(Buffer.alloc(30_000, 'b'));
    await peer.receives('a'.repeat(30_000));
    await client.receives('b'.repeat(30_000));
    const ms = performance.now() - began;
    expect(ms).toBeGreaterThanOrEqual(300);
    expect(ms).toBeLessThan(8_000);
  });

  it('heal: ends the faults it names and leaves the others', async () => {
    const { client, peer } = await pair();
    proxy.latency(10_000);
    proxy.blackHole();
    await proxy.heal('latency');
    client.socket.write('lost');
    await silence();
    expect(peer.text).toBe('');
    proxy.latency(10_000);
    await proxy.heal();
    await roundTrip(await pair());
  });

  it('throttle: yields to what comes up meanwhile', async () => {
    const { client, peer } = await pair();
    proxy.throttle(10_000);
    client.socket.write(Buffer.alloc(50_000));
    await vi.waitFor(() => expect(peer.text.length).toBeGreaterThan(0));
    proxy.blackHole();
    await proxy.heal('throttle');
    await silence();
    expect(peer.text.length).toBeLessThan(50_000);
    await proxy.heal();
    await client.isReset();
  });

  it('close: ends everything, waiting bytes and timers included', async () => {
    const [late, lingering] = [await pair(), await pair()];
    const before = timers();
    proxy.latency(60_000);
    late.client.socket.write('never');
    while (timers() < before + 1) await turn();
    await proxy.heal('latency');
    proxy.slowClose(60_000);
    lingering.peer.socket.end();
    while (timers() < before + 2) await turn();
    await proxy.close();
    expect([timers(), proxy.open]).toEqual([before, 0]);
    await late.client.isReset();
    await lingering.client.isReset();
  });

  it('close: is for good', async () => {
    await proxy.close();
    await proxy.heal();
    await dialed().failsWith('ECONNREFUSED');
    await proxy[Symbol.asyncDispose]();
  });

  it('down, heal and close take effect in the order in which they were called', async () => {
    await Promise.all([proxy.down(), proxy.heal(), proxy.down(), proxy.heal()]);
    await roundTrip(await pair());
    await Promise.all([proxy.down(), proxy.heal(), proxy.close()]);
    await dialed().failsWith('ECONNREFUSED');
  });
});

/** One end of a connection and what it has heard. */
class End {
  readonly socket: Socket;
  text = '';
  /** How the incoming side ended. */
  over: 'end' | { code: string } | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (this.text += text));
    socket.on('end', () => (this.over = 'end'));
    socket.on('error', (error: Error & { code: string }) => (this.over = { code: error.code }));
  }

  async receives(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.text.length).toBe(text.length), { timeout: 5_000, interval: 5 });
    expect(this.text === text).toBe(true);
  }

  async endsAfter(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.over).toBe('end'), { timeout: 5_000, interval: 5 });
    expect(this.text).toBe(text);
  }

  isReset(): Promise<void> {
    return this.failsWith('ECONNRESET');
  }

  async failsWith(code: string): Promise<void> {
    await vi.waitFor(() => expect(this.over).toEqual({ code }), { timeout: 5_000, interval: 5 });
  }
}

/** A connection through the proxy, seen from the client. */
function dialed(): End {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return new End(socket);
}

/** A connection through the proxy, seen from the client and from the server. */
async function pair(): Promise<{ client: End; peer: End }> {
  const before = accepted.length;
  const client = dialed();
  await vi.waitFor(() => expect(accepted.length).toBe(before + 1), { interval: 5 });
  return { client, peer: accepted[before]! };
}

async function roundTrip({ client, peer }: { client: End; peer: End }): Promise<void> {
  client.socket.write('ping');
  await peer.receives('ping');
  peer.socket.write('pong');
  await client.receives('pong');
}

/** Long enough for loopback to have carried what it carries. */
function silence(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

/** Until a number has stopped moving. */
async function settled(read: () => number): Promise<void> {
  for (let last = -1; read() !== last; ) {
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<{ server: Server }> {
  const made = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1');
  await once(made, 'listening');
  onTestFinished(() => void made.close());
  return { server: made };
}

async function httpServer(answer: (path: string) => string): Promise<{ url: string }> {
  const made = createHttpServer((request, response) => response.end(answer(request.url!)));
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  onTestFinished(() => {
    made.closeAllConnections();
    made.close();
  });
  return { url: `http://127.0.0.1:${portOf(made)}` };
}

async function freePort(): Promise<number> {
  const { server: made } = await tcpServer(() => {});
  const port = portOf(made);
  made.close();
  await once(made, 'close');
  return port;
}

function portOf(listening: Server): number {
  return (listening.address() as AddressInfo).port;
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}
