import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError } from '@cleocode/contracts';
import { FaultProxy } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connected, testServer } from './harness.test.kit.ts';
import { ALL_FEATURES, json, type Received, stub } from './stub.test.kit.ts';

/** A stub that breaks the connection of its first `times` requests after it has read them. */
async function breaking(times: number, features: Record<string, unknown> | null = ALL_FEATURES) {
  const server = await stub();
  server.features = features;
  server.answer = (_, response) => {
    if (server.received.length > times) return { id: 'm', messages: [] };
    response.destroy();
    return undefined;
  };
  return server;
}

function keysOf(received: readonly Received[]): unknown[] {
  return received.map(({ headers }) => headers['idempotency-key']);
}

describe('what may have been done is done again only where that changes nothing', () => {
  it('a send, with its key, on a server that knows the key', async () => {
    const server = await breaking(2);
    expect(await (await connected(server.url)).push('bob', 'hi')).toMatchObject({ messageId: 'm' });
    expect(new Set(keysOf(server.received)).size).toBe(1);
    expect(server.received).toHaveLength(3);
  });

  it('no send on a server of the record', async () => {
    const server = await breaking(1, null);
    await expect((await connected(server.url)).push('bob', 'hi')).rejects.toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      details: { phase: 'headers' },
    });
    expect(server.received).toHaveLength(1);
  });

  it('an ack, a heartbeat, a status and reading, on any', async () => {
    const server = await breaking(0, null);
    const transport = await connected(server.url);
    for (const call of [
      () => transport.ack(['m']),
      () => transport.heartbeat({ status: 'online' }),
      () => transport.setStatus({ status: 'online' }),
      () => transport.poll(),
    ]) {
      const before = server.received.length;
      const { answer } = server;
      server.answer = (_, response) => {
        server.answer = answer;
        response.destroy();
      };
      await call();
      expect(server.received).toHaveLength(before + 2);
    }
  });

  it('a send that never left, on any', async () => {
    const server = await stub(() => ({ id: 'm' }));
    server.features = undefined;
    const proxy = await FaultProxy.start({ target: server.url });
    onTestFinished(() => proxy.close());
    const transport = await connected(proxy.url());
    await transport.push('bob', '1');
    await proxy.down();
    const sending = transport.push('bob', '2');
    await sleep(20);
    await proxy.heal();
    await sending;
    expect(server.received).toHaveLength(2);
  });

  it('nothing that was refused for good', async () => {
    const server = await stub(() => 404);
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_NOT_FOUND_RESOURCE',
    });
    expect(server.received).toHaveLength(1);
  });
});

describe('a backend in trouble', () => {
  it('is asked three times at most, then the caller hears what it said', async () => {
    const server = await stub(() => 503);
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_INTERNAL_SERVICE',
      message: 'stub says 503',
      retryable: true,
      details: { status: 503 },
    });
    expect(server.received).toHaveLength(3);
  });

  it('is not asked again before the time it names, in a header or in a body', async () => {
    const asked: number[] = [];
    const server = await stub((_, response) => {
      asked.push(performance.now());
      const [header, body] = [
        [{ 'retry-after': '1' }, {}],
        [{}, { retry_after_ms: 300 }],
        [{}, {}],
      ][asked.length - 1]!;
      if (asked.length === 3) return { messages: [] };
      for (const [name, value] of Object.entries(header!)) response.setHeader(name, value);
      json(response, 429, { success: false, error: { code: 'E_RATE_LIMIT', message: 'slow', ...body } });
      return undefined;
    });
    await (await connected(server.url)).ack(['m']);
    const waits = asked.slice(1).map((at, n) => at - asked[n]!);
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    expect(waits[1]).toBeGreaterThanOrEqual(300);
  });

  it('that names a time beyond what the caller waits is not waited for', async () => {
    const server = await stub((_, response) => {
      response.setHeader('retry-after', '30');
      return 503;
    });
    const begin = performance.now();
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_INTERNAL_SERVICE',
      retryAfterMs: 30_000,
    });
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect(server.received).toHaveLength(1);
  });

  it('gets hardly more requests than it would without repetitions', async () => {
    // Every other request is answered, so that it is never taken for dead.
    const server = await stub(() => (server.received.length % 2 === 0 ? { messages: [] } : 500));
    const transport = await connected(server.url);
    const calls = 120;
    for (let n = 0; n < calls; n += 40)
      await Promise.allSettled(Array.from({ length: 40 }, () => transport.poll()));
    expect(server.received.length).toBeGreaterThan(calls);
    expect(server.received.length).toBeLessThanOrEqual(1.2 * calls);
  });
});

describe('a send whose answer is lost after the server stored it', () => {
  it('is stored once: 200 sends, each answer lost at random, sent until it is answered', {
    timeout: 30_000,
  }, async () => {
    const { dock, url, keys } = await testServer(['alice', 'bob']);
    const proxy = await FaultProxy.start({ target: url });
    onTestFinished(() => proxy.close());
    const alice = await connected(proxy.url(), { apiKey: keys.alice! });
    const send = async (n: number): Promise<void> => {
      for (;;) {
        if (n % 3 === 0) proxy.dropResponses(1);
        try {
          await alice.push('bob', `${n}`, { idempotencyKey: `send-${n}` });
          return;
        } catch (error) {
          if (!CleoError.is(error) || !error.retryable) throw error;
          await sleep(Math.max(20, error.retryAfterMs ?? 0));
        }
      }
    };
    for (let n = 0; n < 200; n += 10)
      await Promise.all(Array.from({ length: 10 }, (_, more) => send(n + more)));
    const stored = await dock.peek('bob', { limit: 200 });
    expect(stored.map(({ content }) => Number(content)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, n) => n),
    );
    expect(await dock.peek('bob', { afterSeq: stored.at(-1)!.seq! })).toEqual([]);
    expect(proxy.connections, 'connections, of which each lost answer cost one').toBeGreaterThan(20);
  });
});
