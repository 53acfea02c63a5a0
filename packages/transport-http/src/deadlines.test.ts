import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { FaultProxy } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connected } from './harness.test.kit.ts';
import type { HttpTransportOptions } from './http-transport.ts';
import { json, rawServer, type Stub, stub } from './stub.test.kit.ts';

/** A stub behind a proxy. */
async function proxied() {
  const server = await stub();
  const proxy = await FaultProxy.start({ target: server.url });
  onTestFinished(() => proxy.close());
  return { server, proxy, url: proxy.url() };
}

/** How long a call takes to fail, in milliseconds, and with what. */
async function failing(call: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const begin = performance.now();
  const error = await call.then(
    () => 'no error',
    (error) => error,
  );
  return { error, ms: performance.now() - begin };
}

/** A transport that knows its server already, on which a push is not sent twice. */
async function ready(server: Stub, url = server.url, options: HttpTransportOptions = {}) {
  server.features = undefined;
  const transport = await connected(url, options);
  await transport.poll();
  return transport;
}

describe('a backend that stalls gives a timeout that names what was late', () => {
  it('the answer: nothing comes back', async () => {
    const { server, proxy, url } = await proxied();
    const transport = await ready(server, url, { headersTimeoutMs: 300 });
    proxy.blackHole();
    const { error, ms } = await failing(transport.push('bob', 'hi'));
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: `POST ${url}/messages: no answer within 300 ms`,
      retryable: true,
      details: { phase: 'headers', timeoutMs: 300 },
    });
    expect(ms).toBeGreaterThanOrEqual(290);
    expect(ms).toBeLessThan(8_000);
  });

  it('the headers: they come drop by drop', async () => {
    const server = await stub();
    const transport = await ready(server, server.url, { headersTimeoutMs: 300 });
    server.answer = (_, response) => {
      response.socket!.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => response.socket?.write('x-filler: x\r\n'), 20);
      response.socket!.on('close', () => clearInterval(drip));
    };
    const { error, ms } = await failing(transport.push('bob', 'hi'));
    expect(error).toMatchObject({ code: 'E_TRANSPORT_TIMEOUT', details: { phase: 'headers' } });
    expect(ms).toBeLessThan(8_000);
  });

  it('the rest of the answer: it stops in the middle', async () => {
    const server = await stub();
    const transport = await ready(server, server.url, { bodyTimeoutMs: 300 });
    let closed = false;
    server.answer = (_, response) => {
      response.on('close', () => {
        closed = true;
      });
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"messages":[');
    };
    const { error, ms } = await failing(transport.push('bob', 'hi'));
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: `POST ${server.url}/messages: no more of the answer within 300 ms`,
      details: { phase: 'body' },
    });
    expect(ms).toBeLessThan(8_000);
    await vi.waitFor(() => expect(closed, 'its connection is closed').toBe(true));
  });

  it('nothing, while it is slow and steady', async () => {
    const server = await stub(async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const piece of '{"messages":[]}') {
        response.write(piece);
        await new Promise((done) => setTimeout(done, 40));
      }
      response.end();
    });
    const transport = await connected(server.url, { headersTimeoutMs: 400, bodyTimeoutMs: 400 });
    const begin = performance.now();
    expect(await transport.poll()).toEqual([]);
    expect(performance.now() - begin).toBeGreaterThan(500);
    expect(server.received).toHaveLength(1);
  });

  it('the whole: an answer that always goes on and never ends', async () => {
    const server = await stub((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    const transport = await connected(server.url, { bodyTimeoutMs: 300, timeoutMs: 600 });
    const { error, ms } = await failing(transport.poll());
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: 'poll was not done within 600 ms',
      details: { phase: 'total', timeoutMs: 600 },
    });
    expect(ms).toBeGreaterThanOrEqual(590);
    expect(ms).toBeLessThan(8_000);
  });

  it('the whole: with what failed meanwhile as its cause', async () => {
    const server = await stub();
    const transport = await ready(server, server.url, { timeoutMs: 500 });
    server.answer = (_, response) => {
      // The first fails, the second never comes.
      if (server.received.length === 2)
        json(response, 503, { success: false, error: { code: 'E', message: 'm' } });
    };
    const { error } = await failing(transport.poll());
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      details: { phase: 'total' },
      cause: { code: 'E_INTERNAL_SERVICE' },
    });
  });

  it('the connection: it is taken, and then no word of TLS', async () => {
    const url = await rawServer(() => {});
    const transport = await connected(url.replace('http:', 'https:'), {
      connectTimeoutMs: 500,
      timeoutMs: 590,
    });
    const { error, ms } = await failing(transport.poll());
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: expect.stringContaining('no connection within 500 ms'),
      details: { phase: 'connect' },
    });
    expect(ms).toBeLessThan(8_000);
  });
});

describe('a backend that comes back', () => {
  it('is heard again at once after a black hole', async () => {
    const { server, proxy, url } = await proxied();
    const transport = await ready(server, url, { headersTimeoutMs: 300 });
    proxy.blackHole();
    await failing(transport.push('bob', 'hi'));
    await proxy.heal();
    expect(await transport.poll()).toEqual([]);
  });

  it('is not asked by everybody while it is away, and asked by one when it may be back', async () => {
    const { server, proxy, url } = await proxied();
    const transport = await connected(url);
    await transport.poll();
    await proxy.down();
    for (let n = 0; n < 5; n += 1) await failing(transport.poll());
    const { error } = await failing(transport.poll());
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      retryable: true,
      retryAfterMs: expect.any(Number),
      details: { circuit: 'open' },
      cause: { code: 'E_TRANSPORT_UNREACHABLE', details: { phase: 'connect', code: 'ECONNREFUSED' } },
    });
    await proxy.heal();
    await failing(transport.poll());
    expect(server.received, 'not yet').toHaveLength(1);
    await vi.waitFor(async () => expect(await transport.poll()).toEqual([]), { interval: 50 });
  });

  it('is not taken for one that answers because a call was given up', async () => {
    const server = await stub();
    const transport = await ready(server);
    server.answer = ({ path }, response) => void (path === '/messages' && response.destroy());
    const impatient = new AbortController();
    const given = failing(transport.poll({ signal: impatient.signal }));
    for (let n = 0; n < 4; n += 1) await failing(transport.push('bob', 'hi'));
    impatient.abort(new Error('no longer'));
    await given;
    await failing(transport.push('bob', 'hi'));
    expect((await failing(transport.poll())).error).toMatchObject({ details: { circuit: 'open' } });
  });

  it('gets heartbeats while it answers everything else with errors, and is not taken for well because of them', async () => {
    const server = await stub(({ path }) => (path.endsWith('/heartbeat') ? {} : 500));
    const transport = await connected(server.url);
    for (let n = 0; n < 5; n += 1) await failing(transport.poll());
    const asked = server.received.length;
    for (let n = 0; n < 3; n += 1) await transport.heartbeat({ status: 'busy' });
    expect(server.received).toHaveLength(asked + 3);
    expect((await failing(transport.poll())).error).toMatchObject({ details: { circuit: 'open' } });
  });

  it('is found open by all who share it', async () => {
    const { proxy, url } = await proxied();
    const [alice, bob] = [await connected(url), await connected(url, { agentId: 'bob' })];
    await proxy.down();
    for (let n = 0; n < 5; n += 1) await failing(alice.poll());
    const { error } = await failing(bob.heartbeat({ status: 'online' }));
    expect(error).toMatchObject({ details: { circuit: 'open' } });
  });
});

describe('many at once', () => {
  it('share eight connections, and no number of sends keeps a heartbeat waiting', async () => {
    const server = await stub(async ({ path }) => {
      if (path === '/messages') await new Promise((done) => setTimeout(done, 8));
      return { id: 'm' };
    });
    const [alice, bob] = [await connected(server.url), await connected(server.url, { agentId: 'bob' })];
    const sends = Promise.all(
      Array.from({ length: 1_000 }, (_, n) => (n % 2 ? alice : bob).push('carol', `${n}`)),
    );
    let beats = 0;
    let slowest = 0;
    let sending = true;
    void sends.finally(() => {
      sending = false;
    });
    while (sending) {
      const begin = performance.now();
      await alice.heartbeat({ status: 'online' });
      slowest = Math.max(slowest, performance.now() - begin);
      beats += 1;
    }
    await sends;
    expect(beats).toBeGreaterThan(20);
    expect(slowest, 'the slowest of the heartbeats').toBeLessThan(8_000);
    expect(server.connections).toBeLessThanOrEqual(10);
  });

  it('are not sent once given up, also when the connection comes only then', async () => {
    const server = await stub();
    const transport = await connected(server.url);
    // Learns what the server can do on the other lane, so that this one has no connection yet.
    await transport.heartbeat({ status: 'online' });
    const givenUp = new AbortController();
    const { signal } = givenUp;
    // Before anything of the network can answer, however fast it is.
    const onConnect = () => process.nextTick(() => givenUp.abort(new Error('given up')));
    subscribe('undici:client:beforeConnect', onConnect);
    const polls = Array.from({ length: 8 }, () => failing(transport.poll({ signal })));
    for (const { error } of await Promise.all(polls)) expect(error).toBe(signal.reason);
    unsubscribe('undici:client:beforeConnect', onConnect);
    expect(signal.aborted).toBe(true);
    await transport.poll({ limit: 1 });
    expect(server.received.slice(1).map(({ path }) => path)).toEqual(['/messages/peek?limit=1']);
  });

  it('close their connections with the last of them', async () => {
    const server = await stub();
    const [alice, bob] = [await connected(server.url), await connected(server.url, { agentId: 'bob' })];
    await Promise.all([alice.poll(), bob.poll()]);
    await alice.disconnect();
    expect(await bob.poll()).toEqual([]);
    await bob.disconnect();
    await vi.waitFor(() => expect(server.open()).toBe(0));
  });
});
