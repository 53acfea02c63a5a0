import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TestClock, testDock } from '../dock.test.kit.ts';
import type { Dock } from '../dock.ts';
import { type Client, clog, idsOf, send, serveStreams, until } from './stream.test.kit.ts';

const AGENTS = ['alice', 'bob'];

const retries = (client: Client) =>
  client.events.flatMap(({ retry }) => (retry === undefined ? [] : [Number(retry)]));

/** A dock that counts who listens to it. */
function counted(dock: Dock): { dock: Dock; listeners(): number } {
  let listeners = 0;
  const onMessages: Dock['onMessages'] = (...given) => {
    const end = dock.onMessages(...given);
    listeners += 1;
    return () => {
      listeners -= 1;
      end();
    };
  };
  return { dock: { ...dock, onMessages }, listeners: () => listeners };
}

describe('the streams of one agent', () => {
  it('all get what is sent, and one that closes leaves the others alone', async () => {
    const dock = await testDock(AGENTS);
    const server = await serveStreams(dock);
    const before = await server.connect();
    const after = await server.connect();
    const [first] = await send(dock, 1);
    await until(() => before.ids().length === 1 && after.ids().length === 1);
    before.response.destroy();
    await until(() => server.responses[0]!.destroyed);
    const [second] = await send(dock, 1);
    await until(() => after.ids().length === 2);
    expect(after.ids()).toEqual(idsOf([first!, second!]));
    expect(server.streams.status()).toEqual({ connectedAgents: 1, agentIds: ['bob'] });
  });

  it('are at most maxPerAgent: one more ends the oldest', async () => {
    const dock = await testDock(AGENTS);
    const server = await serveStreams(dock, { maxPerAgent: 2 });
    const [oldest, ...others] = [await server.connect(), await server.connect(), await server.connect()];
    await until(() => oldest!.ended);
    await send(dock, 1);
    for (const client of others) await until(() => client.ids().length === 1);
    expect(oldest!.ids()).toEqual([]);
  });
});

describe('a heartbeat', () => {
  it('comes to every stream with the time', async () => {
    const clock = new TestClock();
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10, now: clock.now });
    const clients = [await server.connect(), await server.connect()];
    for (const client of clients) await until(() => client.named('heartbeat').length >= 2);
    expect(clients[1]!.named('heartbeat')[0]).toEqual({
      event: 'heartbeat',
      data: { timestamp: '2026-01-01T00:00:00.000Z' },
    });
  });

  it('begins again after all streams had gone', async () => {
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10 });
    (await server.connect()).response.destroy();
    await until(() => server.streams.status().connectedAgents === 0);
    const client = await server.connect();
    await until(() => client.named('heartbeat').length > 0);
  });

  it('ends a stream whose key is no longer allowed, and no other', async () => {
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10 });
    let revoked = false;
    const client = await server.connect({ stillAllowed: async () => !revoked });
    const other = await server.connect();
    await until(() => client.named('heartbeat').length >= 2);
    expect(client.closed).toBe(false);
    revoked = true;
    await until(() => client.ended);
    const beats = other.named('heartbeat').length;
    await until(() => other.named('heartbeat').length >= beats + 2);
  });

  it('keeps a stream that cannot be checked for now, and says so', async () => {
    const failure = new Error('no storage');
    const logged: unknown[] = [];
    const log = (...line: unknown[]) => logged.push(line);
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10, log });
    const client = await server.connect({ stillAllowed: () => Promise.reject(failure) });
    await until(() => client.named('heartbeat').length >= 3);
    expect(client.closed).toBe(false);
    expect(logged[0]).toEqual([
      'Streams could not be checked and go on for now',
      { agentId: 'bob', error: failure },
    ]);
  });

  it('asks a few streams at a time, and none again that has not answered', async () => {
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10, maxPerAgent: 40 });
    let asked = 0;
    let answer = (_: boolean) => {};
    const answered = new Promise<boolean>((resolve) => {
      answer = resolve;
    });
    const stillAllowed = () => {
      asked += 1;
      return answered;
    };
    const clients = await Promise.all(Array.from({ length: 40 }, () => server.connect({ stillAllowed })));
    await until(() => clients.every((client) => client.named('heartbeat').length >= 3));
    expect(asked).toBeLessThanOrEqual(16);
    answer(false);
    await until(() => clients.every(({ ended }) => ended));
    expect(asked).toBe(40);
  });

  it('asks for a peek when no message came since the storage failed', async () => {
    const dock = await testDock(AGENTS);
    let fail = (_: unknown) => {};
    const onMessages: Dock['onMessages'] = (agentId, listener, onError) => {
      fail = onError!;
      return dock.onMessages(agentId, listener, onError);
    };
    const server = await serveStreams({ ...dock, onMessages }, { heartbeatMs: 10 });
    const client = await server.connect();
    fail(new Error('cannot read'));
    await until(() => client.named('resync').length > 0);
    const beats = client.named('heartbeat').length;
    await until(() => client.named('heartbeat').length >= beats + 2);
    expect(client.named('resync')).toHaveLength(1);
  });
});

describe('close', () => {
  it('ends every stream with a hint when to come back, spread over the clients', async () => {
    const server = await serveStreams(await testDock(AGENTS), { retryMs: 100, maxPerAgent: 20 });
    const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
    await server.streams.close();
    await until(() => clients.every(({ ended }) => ended));
    const hints = clients.map((client) => retries(client)[1]!);
    expect(Math.min(...hints)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...hints)).toBeLessThanOrEqual(1_000);
    expect(new Set(hints).size).toBeGreaterThan(10);
    expect(server.streams.status()).toEqual({ connectedAgents: 0, agentIds: [] });
  });

  it('waits a second at most for a client that does not read', async () => {
    const dock = await testDock(AGENTS);
    const looking = Promise.withResolvers<void>();
    const getMessage: Dock['getMessage'] = async (...given) => {
      await looking.promise;
      return dock.getMessage(...given);
    };
    const server = await serveStreams({ ...dock, getMessage });
    await server.connect({ paused: true, lastEventId: 'no-such-message' });
    const response = server.responses[0]!;
    clog(response);
    const started = performance.now();
    const closed = server.streams.close();
    // What was being looked up for a replay comes too late to be written.
    looking.resolve();
    await closed;
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(response.destroyed).toBe(true);
  });

  it('ends at once what is opened later', async () => {
    const server = await serveStreams(await testDock(AGENTS));
    await server.streams.close();
    const client = await server.connect();
    await until(() => client.ended);
    expect(retries(client)).toHaveLength(2);
    expect(server.streams.status().connectedAgents).toBe(0);
  });
});

describe('a client that goes away', () => {
  it('leaves nothing behind, a thousand times', { timeout: 60_000 }, async () => {
    const { dock, listeners } = counted(await testDock(AGENTS));
    const server = await serveStreams(dock, { maxPerAgent: 50 });
    const [first] = await send(dock, 5);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    for (let round = 0; round < 20; round++) {
      const opened = Array.from({ length: 50 }, () => server.connect({ lastEventId: first!.id }));
      const clients = await Promise.all(opened);
      expect(listeners()).toBe(50);
      for (const client of clients) client.response.destroy();
      await until(() => listeners() === 0);
    }
    expect(server.streams.status()).toEqual({ connectedAgents: 0, agentIds: [] });
    for (let turns = 0; timers() > before && turns < 1_000; turns++) await turn();
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('is not waited for when it has gone before its stream is opened', async () => {
    const { dock, listeners } = counted(await testDock(AGENTS));
    const { streams } = await serveStreams(dock);
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const asking = request({ port, host: '127.0.0.1' }).end();
    asking.on('error', () => {});
    const [, response] = await once(server, 'request');
    asking.destroy();
    await once(response, 'close');
    streams.open('bob', response, { stillAllowed: async () => true });
    expect(listeners()).toBe(0);
    expect(streams.status().connectedAgents).toBe(0);
  });
});
