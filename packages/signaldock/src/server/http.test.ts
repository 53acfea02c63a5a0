import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { errorEnvelopeSchema } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { exchange, RawClient } from './raw.test.kit.ts';
import { listeningServer, testServer } from './server.test.kit.ts';

const MIB = 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };

describe('what a route refuses', () => {
  it.each([
    ['a path nobody has', 'GET /nowhere', {}, 404, 'E_NOT_FOUND_RESOURCE'],
    ['a slash too many', 'GET /health/', {}, 404, 'E_NOT_FOUND_RESOURCE'],
    ['a path that is not written right', 'GET /agents/%zz', {}, 400, 'E_VALIDATION_SCHEMA'],
    [
      'a part of the path that is too long',
      `GET /agents/${'x'.repeat(193)}`,
      {},
      414,
      'E_VALIDATION_CONSTRAINT',
    ],
    ['a URL that is too long', `GET /health?${'x'.repeat(8_200)}`, {}, 414, 'E_VALIDATION_CONSTRAINT'],
    [
      'a body of another type',
      'POST /agents',
      { headers: { 'content-type': 'text/plain' }, body: 'x' },
      415,
      'E_VALIDATION_CONSTRAINT',
    ],
    [
      'a body of no type',
      'POST /agents',
      { headers: { 'content-type': '' }, body: 'x' },
      415,
      'E_VALIDATION_CONSTRAINT',
    ],
    [
      'what is not JSON',
      'POST /agents',
      { headers: JSON_TYPE, body: '{"agentId":' },
      400,
      'E_VALIDATION_SCHEMA',
    ],
    [
      'what is not UTF-8',
      'POST /agents',
      { headers: JSON_TYPE, body: Buffer.from([0x22, 0xff, 0x22]) },
      400,
      'E_VALIDATION_SCHEMA',
    ],
    [
      'JSON that is no object',
      'POST /agents',
      { headers: JSON_TYPE, body: '[]' },
      400,
      'E_VALIDATION_SCHEMA',
    ],
    [
      'a body above 1 MiB',
      'POST /agents',
      { body: { agentId: 'x'.repeat(MIB) } },
      413,
      'E_VALIDATION_CONSTRAINT',
    ],
    [
      'a message above 8 MiB',
      'POST /messages',
      { as: 'ann', body: { content: 'x'.repeat(8 * MIB) } },
      413,
      'E_VALIDATION_CONSTRAINT',
    ],
  ])('%s', async (_, request, options, status, code) => {
    const { ask } = await testServer({ agents: ['ann'] });
    const answer = await ask(request, options);
    expect(answer.status).toBe(status);
    expect(errorEnvelopeSchema.parse(answer.body).error.code).toBe(code);
  });

  it('a method that the path does not take, with those it does', async () => {
    const { ask } = await testServer();
    for (const method of ['HEAD', 'PATCH', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(`${method} /agents/ann?x=1`);
      expect([method, status, headers.allow]).toEqual([method, 405, 'DELETE, GET, PUT']);
    }
    const { body } = await ask('DELETE /health');
    expect(body.error).toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
      hint: 'The header Allow names them.',
    });
  });

  it('JSON that is nested too deep to be written out again', async () => {
    const { ask } = await testServer({ agents: ['ann'] });
    const send = (depth: number) =>
      ask('POST /agents', {
        headers: JSON_TYPE,
        body: `{"agentId":"deep-${depth}","paymentConfig":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`,
      });
    expect((await send(60)).status).toBe(201);
    for (const depth of [70, 100_000]) {
      const { status, body } = await send(depth);
      expect(status).toBe(400);
      expect(body.error).toMatchObject({
        code: 'E_VALIDATION_SCHEMA',
        message: 'body: is nested deeper than 64',
      });
    }
  });

  it('JSON of more values than anything here has, before it looks at them', async () => {
    const { ask } = await testServer({ agents: ['ann'] });
    const send = (count: number) =>
      ask('POST /messages', {
        as: 'ann',
        body: { content: 'x', metadata: { mentions: Array(count).fill(1) } },
      });
    expect((await send(19_000)).body.error.details.field).toBe('metadata.mentions.0');
    const { status, body } = await send(2_000_000);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({
      code: 'E_VALIDATION_SCHEMA',
      message: 'body: holds more than 20000 values',
    });
  });

  it('members that nobody knows are ignored, those that reach a prototype too', async () => {
    const { ask } = await testServer();
    const body =
      '{"agentId":"ann","other":1,"__proto__":{"name":"X"},"constructor":{"prototype":{"name":"X"}}}';
    const { status, body: answer } = await ask('POST /agents', { headers: JSON_TYPE, body });
    expect(status).toBe(201);
    expect(answer.data.agent.name).toBe('ann');
  });
});

describe('what node refuses before it is a request', () => {
  it.each([
    ['what is not HTTP', 'NONSENSE\r\n\r\n', 400],
    ['no version', 'GET /health\r\n\r\n', 400],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['no Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['a NUL in a header', 'GET /health HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n', 400],
    ['a NUL in the path', 'GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    [
      'two lengths',
      'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
      400,
    ],
    [
      'a length and chunks',
      'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a negative length', 'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
    ['an unknown encoding', 'POST /agents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
    [
      'headers that are too large',
      `GET /health HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(17_000)}\r\n\r\n`,
      431,
    ],
    ['too many headers', `GET /health HTTP/1.1\r\nHost: x\r\n${'Header: value\r\n'.repeat(2_000)}\r\n`, 431],
    [
      'an expectation it does not know',
      'POST /agents HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n',
      417,
    ],
  ])('%s', async (_, request, status) => {
    const { port } = await listeningServer();
    const answers = await exchange(port, request);
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(answers[0]!.head).toMatch(/^connection: close$/im);
    errorEnvelopeSchema.parse(JSON.parse(answers[0]!.body));
  });

  it('a chunk that lies about its length ends the request', async () => {
    const { port } = await listeningServer();
    const head =
      'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const client = new RawClient(port).send(`${head}2\r\n{}more than that\r\n0\r\n\r\n`);
    await client.closed;
    expect(client.answers.map(({ status }) => status)).toEqual([400]);
  });

  it('a smuggled request is not answered', async () => {
    const { port } = await listeningServer();
    const outer =
      'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answers = await exchange(port, `${outer}0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answers.map(({ status }) => status)).toEqual([400]);
  });

  it('pipelined requests are answered in order', async () => {
    const { port } = await listeningServer();
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const answers = await exchange(
      port,
      get('/health') + get('/nowhere') + get('/', 'Connection: close\r\n'),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
  });

  it('an expectation it does not know is refused in its turn', async () => {
    const { port } = await listeningServer();
    const get = 'GET /health HTTP/1.1\r\nHost: x\r\n';
    const answers = await exchange(port, `${get}\r\n${get}Expect: miracles\r\n\r\n`);
    expect(answers.map(({ status }) => status)).toEqual([200, 417]);
  });

  it('nonsense behind a request does not answer it', async () => {
    const { port } = await listeningServer();
    const answers = await exchange(port, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\nNONSENSE\r\n\r\n');
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });
});

describe('a web page', () => {
  it.each([
    ['of another origin', 'http://evil.example.com:4000', 403],
    ['of no origin', 'null', 403],
    ['of a name that only begins like this machine’s', 'http://localhost.example.com', 403],
    ['of this machine', 'http://localhost:3000', 200],
    ['of this machine’s address', 'http://[::1]:4000', 200],
    ['of the server’s public address', 'https://dock.example.com', 200],
  ])('%s is answered %#', async (_, origin, status) => {
    const { ask } = await testServer({ server: { publicUrl: 'https://dock.example.com/api' } });
    const answer = await ask('GET /health', { headers: { origin } });
    expect(answer.status).toBe(status);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    if (status === 403) expect(answer.body.error.code).toBe('E_AUTH_FORBIDDEN');
  });
});

describe('slow clients', () => {
  const slow = { serve: { requestTimeoutMs: 300, streamHeartbeatMs: 300 } };

  it.each([
    ['says nothing', ''],
    ['does not end its headers', 'GET /health HTTP/1.1\r\nHost: x\r\nA: '],
    [
      'does not send its body',
      'POST /agents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    ],
  ])('one that %s is closed', async (_, text) => {
    const { port } = await listeningServer(slow);
    const answers = await exchange(port, text);
    expect(answers.map(({ status }) => status)).toEqual([408]);
  });

  it('one that sends a byte at a time is closed all the same', async () => {
    const { port } = await listeningServer(slow);
    const client = new RawClient(port).send('GET /health HTTP/1.1\r\nHost: x\r\nA: ');
    const drip = setInterval(() => client.send('x'), 20);
    await client.closed;
    clearInterval(drip);
    expect(client.answers.map(({ status }) => status)).toEqual([408]);
  });

  it('one that does not take its answer is closed', async () => {
    const { port, as, dock } = await listeningServer({ ...slow, agents: ['ann', 'bob'] });
    const content = 'x'.repeat(1024 * 1024);
    for (let n = 0; n < 8; n++) await dock.send('bob', 'ann', { content });
    const { authorization } = as('ann');
    const accepted = acceptedSocket();
    const client = new RawClient(port);
    client.socket.pause();
    const cut = accepted.then((socket) => once(socket, 'close'));
    client.send(
      `GET /messages/peek HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nX-Agent-Id: ann\r\n\r\n`,
    );
    await cut;
    client.socket.resume();
    await client.closed;
    expect(client.received.length).toBeLessThan(8 * content.length);
  });

  it('one that keeps its connection and is quiet between requests is not', async () => {
    const { port } = await listeningServer(slow);
    const client = new RawClient(port);
    const get = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
    client.send(get);
    await vi.waitUntil(() => client.answers.length === 1);
    // Longer than any request may take.
    await new Promise((resolve) => setTimeout(resolve, 500));
    client.send(get);
    await vi.waitUntil(() => client.answers.length === 2);
  });
});

/** The server's end of the next connection to any server of this process. */
function acceptedSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const onSocket = (message: unknown) => {
      unsubscribe('net.server.socket', onSocket);
      resolve((message as { socket: Socket }).socket);
    };
    subscribe('net.server.socket', onSocket);
  });
}
