import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { testDock } from '../dock.test.kit.ts';
import type { Dock } from '../dock.ts';
import { RawClient } from './raw.test.kit.ts';
import { serve } from './serve.ts';
import { listeningServer } from './server.test.kit.ts';

const GET = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';

/** A server whose health takes until it is told. */
async function slowServer(drainMs?: number) {
  const dock = await testDock();
  let finish = () => {};
  let asked = 0;
  const slow: Dock = {
    ...dock,
    async unreadSummary() {
      asked += 1;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return [];
    },
  };
  const server = await serve({ dock: slow, port: 0, ...(drainMs !== undefined && { drainMs }) });
  return { server, port: Number(new URL(server.url).port), asked: () => asked, finish: () => finish() };
}

describe('a server that closes', () => {
  it('answers what it had begun, and closes the connection after it', async () => {
    const { server, port, asked, finish } = await slowServer();
    const client = new RawClient(port).send(GET);
    await vi.waitUntil(() => asked() === 1);
    const closed = server.close();
    finish();
    await Promise.all([closed, client.closed]);
    expect(client.answers.map(({ status }) => status)).toEqual([200]);
    expect(client.answers[0]!.head).toMatch(/^connection: close$/im);
  });

  it('refuses what comes on a connection that is still open', async () => {
    const { server, port, asked, finish } = await slowServer();
    const late = new RawClient(port).send('GET /health HTTP/1.1\r\n');
    await vi.waitUntil(() => !late.socket.connecting);
    // Asked after it, so that the server has heard it when it closes.
    const client = new RawClient(port).send(GET);
    await vi.waitUntil(() => asked() === 1);
    const closed = server.close();
    late.send('Host: x\r\n\r\n');
    await late.closed;
    expect(late.answers.map(({ status }) => status)).toEqual([503]);
    expect(late.answers[0]!.head).toMatch(/^retry-after: 1$/im);
    expect(JSON.parse(late.answers[0]!.body).error).toMatchObject({
      code: 'E_INTERNAL_SERVICE',
      category: 'TRANSIENT',
      message: 'The server is closing.',
      retryable: true,
    });
    finish();
    await Promise.all([closed, client.closed]);
    expect(asked()).toBe(1);
  });

  it('does not wait for connections that ask nothing', async () => {
    const { server, port } = await listeningServer();
    const client = new RawClient(port).send(GET);
    await vi.waitUntil(() => client.answers.length === 1);
    await Promise.all([server.close(), client.closed]);
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('cuts off what is not done by the deadline', async () => {
    const { server, port, asked } = await slowServer(100);
    const client = new RawClient(port).send(GET);
    await vi.waitUntil(() => asked() === 1);
    await Promise.all([server.close(), client.closed]);
    expect(client.answers).toEqual([]);
  });

  it('ends the streams, with a hint when to come back', async () => {
    const { server, as } = await listeningServer({ agents: ['ann'] });
    const [stream] = await once(
      request(`${server.url}/messages/stream`, { headers: as('ann') }).end(),
      'response',
    );
    let text = '';
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await vi.waitUntil(() => text.includes('event: connected'));
    await Promise.all([server.close(), once(stream, 'end')]);
    expect(text).toMatch(/\nretry: \d+\n\n$/);
  });

  it('closes once, however often it is asked', async () => {
    const { server } = await listeningServer();
    expect(server.close()).toBe(server.close());
    await server.close();
  });
});

it('a key never reaches the log, wherever a client puts it', async () => {
  const lines: string[] = [];
  const log = (...line: unknown[]) => lines.push(JSON.stringify(line));
  const { server, as, dock } = await listeningServer({
    agents: ['ann'],
    serve: { logger: { debug: log, info: log, error: log } },
  });
  const headers = as('ann');
  const key = headers.authorization!.slice('Bearer '.length);
  const ask = async (path: string, more: RequestInit = {}) =>
    (await fetch(server.url + path, { ...more, signal: AbortSignal.timeout(5_000) })).body?.cancel();
  await ask(`/messages/stream?token=${key}&agent_id=ann`);
  await ask(`/messages/stream?token=${key}&agent_id=${key}`);
  await ask(`/messages/stream${encodeURIComponent(`?token=${key}`)}`);
  await ask(`/${key}`);
  await ask(`/agents/${key}/%zz`);
  await ask('/messages/peek', { headers: { ...headers, 'x-agent-id': key } });
  await ask('/messages/peek', { headers });
  await ask('/agents', { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"${key}` });
  await dock.close();
  await ask('/messages/peek', { headers });
  await server.close();
  // Nothing is proven by a log that was not written.
  expect(lines.join('\n')).toContain('"route":"/messages/stream"');
  expect(lines.join('\n')).toContain('A request failed');
  expect(lines.filter((line) => line.includes(key.slice(10)))).toEqual([]);
});
