import { describe, expect, it } from 'vitest';
import { connected } from './harness.test.kit.ts';
import { type Received, type Stub, stub } from './stub.test.kit.ts';

/** A stub that redirects each request as told; `undefined` answers it. */
function redirecting(where: (request: Received, server: Stub) => [status: number, to?: string] | undefined) {
  return stub().then((server) => {
    server.answer = (request, response) => {
      const to = where(request, server);
      if (!to) return { messages: [], id: 'm' };
      response.writeHead(to[0], { ...(to[1] !== undefined && { location: to[1] }) }).end('elsewhere');
      return undefined;
    };
    return server;
  });
}

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('with status %i is followed on the same origin', async (status) => {
    const server = await redirecting(({ path }) =>
      path.startsWith('/messages') ? [status, `/v2${path}`] : undefined,
    );
    expect(await (await connected(server.url)).poll({ limit: 3 })).toEqual([]);
    expect(server.received.map(({ path }) => path)).toEqual([
      '/messages/peek?limit=3',
      '/v2/messages/peek?limit=3',
    ]);
    expect(server.received[1]?.headers.authorization).toBe('Bearer sk_test_key');
  });

  it('that keeps the method carries what was sent', async () => {
    const server = await redirecting(({ path }) => (path === '/messages' ? [308, 'v2/messages'] : undefined));
    await (await connected(server.url)).push('bob', 'hi');
    const [first, second] = server.received;
    expect(second).toMatchObject({ method: 'POST', path: '/v2/messages', body: first?.body });
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
  });

  it.each([301, 302, 303])('with status %i loses what was sent, so it is refused', async (status) => {
    const server = await redirecting(() => [status, '/elsewhere']);
    await expect((await connected(server.url)).push('bob', 'hi')).rejects.toMatchObject({
      code: 'E_TRANSPORT_REDIRECT',
      message: `POST ${server.url}/messages is redirected with status ${status}`,
    });
    expect(server.received).toHaveLength(1);
  });

  it('is followed three times, not for ever', async () => {
    let times = 3;
    const server = await redirecting(({ path }) => (times-- > 0 ? [307, path] : undefined));
    const transport = await connected(server.url);
    expect(await transport.poll()).toEqual([]);
    times = Number.POSITIVE_INFINITY;
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_REDIRECT',
      message: expect.stringContaining('more than 3 times in a row'),
    });
    expect(server.received).toHaveLength(8);
  });

  it('to another origin is refused, and nothing is ever sent there', async () => {
    const other = await stub();
    const to = { origin: other.url };
    const server = await redirecting(() => [307, `${to.origin}/messages/peek`]);
    const transport = await connected(server.url);
    const origins = [
      [other.url, other.url],
      [other.url.replace('http://', '//'), other.url],
      [server.url.replace('http:', 'https:'), server.url.replace('http:', 'https:')],
      [server.url.replace('http://', 'http://user@'), 'an address that is none'],
    ] as const;
    for (const [origin, named] of origins) {
      to.origin = origin;
      await expect(transport.poll()).rejects.toMatchObject({
        code: 'E_TRANSPORT_REDIRECT',
        message: `GET ${server.url}/messages/peek is redirected to ${named}`,
        hint: expect.stringContaining('the key is not sent to another origin'),
        retryable: false,
      });
    }
    expect(server.received).toHaveLength(origins.length);
    expect([other.connections, other.received]).toEqual([0, []]);
  });

  it('to nowhere is refused', async () => {
    const to: (string | undefined)[] = [undefined, 'http://['];
    const server = await redirecting(() => [302, to.shift()]);
    const transport = await connected(server.url);
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_REDIRECT',
      message: expect.stringContaining('without saying where to'),
    });
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_REDIRECT',
      message: expect.stringContaining('to an address that is none'),
    });
  });
});
