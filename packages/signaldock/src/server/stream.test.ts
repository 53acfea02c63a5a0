import { rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { spawnWorker, testDock } from '../dock.test.kit.ts';
import type { Dock } from '../dock.ts';
import { clog, idsOf, resyncs, send, serveStreams, until } from './stream.test.kit.ts';

const PUSH = new URL('../push.test.worker.ts', import.meta.url);
const AGENTS = ['alice', 'bob', 'carol'];
const MIB = 1024 * 1024;

describe('a stream', () => {
  it('begins with who is connected and when to come back, in headers that no proxy buffers', async () => {
    const server = await serveStreams(await testDock(AGENTS), { retryMs: 2_000 });
    const client = await server.connect();
    await until(() => client.events.length === 2);
    expect(client.events).toEqual([{ event: 'connected', data: { agentId: 'bob' } }, { retry: '2000' }]);
    expect(client.response.statusCode).toBe(200);
    expect(client.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
  });

  it('sends what is committed from now on, once each, in order, to its agent only', async () => {
    const dock = await testDock(AGENTS);
    await send(dock, 3);
    const server = await serveStreams(dock);
    const client = await server.connect();
    const [sent] = await Promise.all([
      send(dock, 300),
      dock.send('alice', 'carol', { content: 'not yours' }),
    ]);
    await until(() => client.ids().length >= 300);
    expect(client.ids()).toEqual(idsOf(sent));
  });

  it('sends what another process commits', async () => {
    const dock = await testDock(AGENTS);
    const server = await serveStreams(dock);
    const client = await server.connect();
    const worker = spawnWorker<{ ids: string[] }>(PUSH, dock.file, 'alice', 'bob', '200', '8');
    const own = await send(dock, 50);
    const { ids } = await worker.finished;
    await until(() => client.ids().length >= 250);
    expect(client.ids().toSorted()).toEqual([...ids, ...idsOf(own)].sort());
    const seqs = client.named('message').map(({ data }) => data!.seq as number);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  });

  it('marks nothing as delivered: a stream may be dying when it is written to', async () => {
    const dock = await testDock(AGENTS);
    const server = await serveStreams(dock);
    const client = await server.connect();
    const [message] = await send(dock, 1);
    await until(() => client.ids().length === 1);
    expect(await dock.peek('bob')).toEqual([message]);
    expect(await dock.pollNew('bob')).toMatchObject([{ id: message!.id, status: 'delivered' }]);
  });

  it('ends when the file is replaced', async () => {
    const dock = await testDock(AGENTS);
    const failures: unknown[] = [];
    const server = await serveStreams(dock, { log: (_, { error }) => failures.push(error) });
    const clients = [await server.connect(), await server.connect()];
    rmSync(dock.file);
    await until(() => clients.every(({ ended }) => ended));
    expect(failures).toMatchObject([{ code: 'E_STORAGE_REPLACED' }]);
    expect(server.streams.status().connectedAgents).toBe(0);
  });

  it('asks for a peek once the storage works again', async () => {
    const dock = await testDock(AGENTS);
    let fail = (_: unknown) => {};
    const failing: Partial<Dock> = {
      onMessages(agentId, listener, onError) {
        fail = onError!;
        return dock.onMessages(agentId, listener, onError);
      },
    };
    const logged: string[] = [];
    const server = await serveStreams({ ...dock, ...failing }, { log: (line) => logged.push(line) });
    const client = await server.connect();
    fail(new Error('cannot read'));
    fail(new Error('cannot read'));
    expect(logged).toEqual(['New messages could not be read']);
    await send(dock, 2);
    await until(() => client.ids().length === 2);
    expect(client.events.slice(2).map(({ event }) => event)).toEqual(['resync', 'message', 'message']);
    expect(resyncs(client)).toEqual([{ reason: 'storage_failed' }]);
  });
});

describe('a stream whose client does not read', () => {
  it('holds a bounded number of bytes and is cut, while the others go on', async () => {
    const dock = await testDock(AGENTS);
    const failures: { error: unknown }[] = [];
    const server = await serveStreams(dock, {
      maxBufferedBytes: MIB,
      drainMs: 300,
      log: (_, fields) => failures.push(fields),
    });
    const slow = await server.connect({ paused: true });
    const other = await server.connect();
    const [response] = server.responses;
    const sent: string[] = [];
    let most = 0;
    while (!response!.destroyed) {
      sent.push(...idsOf(await send(dock, 1, 'x'.repeat(MIB / 2))));
      most = Math.max(most, response!.writableLength);
    }
    await until(() => other.ids().length === sent.length);
    expect(other.ids()).toEqual(sent);
    expect(most).toBeGreaterThan(MIB);
    expect(most).toBeLessThan(2 * MIB);
    expect(failures).toMatchObject([{ agentId: 'bob', error: { message: expect.stringMatching(/300 ms/) } }]);
    slow.response.resume();
    await until(() => slow.closed);
    expect(slow.ended).toBe(false);
    expect(slow.ids()).toEqual(sent.slice(0, slow.ids().length));
  });

  it('holds a bounded number of bytes during a replay too', async () => {
    const dock = await testDock(AGENTS);
    const [first, ...missed] = idsOf(await send(dock, 33, 'x'.repeat(MIB / 2)));
    const server = await serveStreams(dock, { maxBufferedBytes: MIB });
    const client = await server.connect({ paused: true, lastEventId: first! });
    const [response] = server.responses;
    let most = 0;
    for (let calm = 0; calm < 50; calm++) {
      if (response!.writableLength > most) calm = 0;
      most = Math.max(most, response!.writableLength);
      await turn();
    }
    expect(most).toBeGreaterThan(MIB);
    expect(most).toBeLessThan(2 * MIB);
    client.response.resume();
    await until(() => client.ids().length >= missed.length);
    expect(client.ids()).toEqual(missed);
  });

  it('gets all of it, in order, when it reads on in time, and nothing from before', async () => {
    const dock = await testDock(AGENTS);
    await send(dock, 3);
    const server = await serveStreams(dock);
    const client = await server.connect({ paused: true });
    clog(server.responses[0]!);
    const sent = await send(dock, 40);
    client.response.resume();
    await until(() => client.ids().length >= 40);
    sent.push(...(await send(dock, 1)));
    await until(() => client.ids().length >= 41);
    expect(client.ids()).toEqual(idsOf(sent));
    expect(resyncs(client)).toEqual([]);
  });

  it('is cut when it does not read the heartbeats either', async () => {
    const server = await serveStreams(await testDock(AGENTS), { heartbeatMs: 10, drainMs: 50 });
    const client = await server.connect({ paused: true });
    const [response] = server.responses;
    clog(response!);
    const full = response!.writableLength;
    await until(() => {
      expect(response!.writableLength).toBeLessThanOrEqual(full);
      return response!.destroyed;
    });
    client.response.destroy();
  });

  it('leaves no timer when it goes', async () => {
    const dock = await testDock(AGENTS);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const server = await serveStreams(dock);
    const client = await server.connect({ paused: true });
    clog(server.responses[0]!);
    const before = timers();
    await send(dock, 1);
    await until(() => timers() > before);
    client.response.destroy();
    await until(() => server.streams.status().connectedAgents === 0);
    for (let turns = 0; timers() >= before && turns < 1_000; turns++) await turn();
    // The heartbeat has stopped too.
    expect(timers()).toBeLessThan(before);
  });
});

it('comes to no harm by a message for a connection that is breaking', async () => {
  const dock = await testDock(AGENTS);
  const server = await serveStreams(dock);
  dock.onMessages('bob', () => server.responses[0]!.destroy());
  const client = await server.connect();
  await send(dock, 1);
  await until(() => client.closed);
  expect(server.streams.status().connectedAgents).toBe(0);
});
