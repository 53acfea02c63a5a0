import { describe, expect, it } from 'vitest';
import { connected, testServer } from './harness.test.kit.ts';
import { stub } from './stub.test.kit.ts';

describe('an agent that asks more often than it may', () => {
  it('follows 50 groups and never goes beyond a limit of 100 a minute, and can still send', async () => {
    const { dock, url, keys } = await testServer(['alice', 'bob'], { rateLimit: { max: 100 } });
    const groups = [];
    for (let n = 0; n < 50; n += 1)
      groups.push(
        (await dock.createConversation('alice', { participants: ['bob'], visibility: 'shared' })).id,
      );
    const alice = await connected(url, { apiKey: keys.alice! });
    const outcomes = { read: 0, refusedHere: 0, refusedThere: 0 };
    const read = async (call: () => Promise<unknown>) => {
      await call().then(
        () => {
          outcomes.read += 1;
        },
        (error) => {
          expect(error).toMatchObject({ code: 'E_RATE_LIMIT', retryAfterMs: expect.any(Number) });
          if (error.details.local) outcomes.refusedHere += 1;
          else outcomes.refusedThere += 1;
        },
      );
    };
    for (let cycle = 0; cycle < 100; cycle += 1)
      for (const group of groups.slice(0, 2)) {
        await read(() => alice.fetchConversation([group]));
        await read(() => alice.poll());
      }
    expect(outcomes.refusedThere).toBe(0);
    expect(outcomes.refusedHere).toBeGreaterThan(0);
    // A little more than 90: the window slides while the test runs.
    expect(outcomes.read).toBeGreaterThanOrEqual(89);
    expect(outcomes.read).toBeLessThan(130);
    for (let n = 0; n < 3; n += 1) {
      await alice.push('bob', `${n}`);
      await alice.heartbeat({ status: 'online' });
      await alice.ack(['m']);
    }
  });

  it('sends nothing once nothing is left', async () => {
    const server = await stub((_, response) => {
      response.setHeader('x-ratelimit-remaining', '0');
      response.setHeader('x-ratelimit-reset', '60');
      return { id: 'm' };
    });
    const transport = await connected(server.url);
    await transport.push('bob', '1');
    for (const call of [
      transport.push('bob', '2'),
      transport.poll(),
      transport.heartbeat({ status: 'online' }),
    ])
      await expect(call).rejects.toMatchObject({ code: 'E_RATE_LIMIT', details: { local: true } });
    expect(server.received).toHaveLength(1);
  });

  it('is held back alone: another agent of the same process has a limit of its own', async () => {
    const server = await stub(({ headers }, response) => {
      if (headers['x-agent-id'] === 'alice') {
        response.setHeader('x-ratelimit-remaining', '0');
        response.setHeader('x-ratelimit-reset', '60');
      }
      return { messages: [] };
    });
    const [alice, bob] = [await connected(server.url), await connected(server.url, { agentId: 'bob' })];
    await alice.poll();
    await bob.poll();
    await expect(alice.poll()).rejects.toMatchObject({ code: 'E_RATE_LIMIT' });
    expect(await bob.poll()).toEqual([]);
  });
});
