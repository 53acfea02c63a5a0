import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Secret } from '@cleocode/contracts';
import { FaultProxy } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Connection } from './connection.ts';
import { PATIENT, Recorder, readAll, requestTo, STREAM, stream, stubServer, until } from './stub.test.kit.ts';

const KEY = 'sk_test_0123456789abcdef0123456789abcdef';

describe('the request for a stream', () => {
  it('carries the key in a header, and nothing in the address', async () => {
    const server = await stubServer((response) => response.writeHead(200, STREAM).end());
    await readAll(`${server.url}/messages/stream`, PATIENT, { lastEventId: 'm…7' });
    const [{ path, headers }] = server.requests as [(typeof server.requests)[0]];
    expect(path).toBe('/messages/stream');
    expect(headers).toMatchObject({
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      'cache-control': 'no-cache',
      authorization: `Bearer ${KEY}`,
      'x-agent-id': 'bob',
      'user-agent': expect.stringMatching(/^cleo-runtime\/\d/),
    });
    expect(Buffer.from(headers['last-event-id'] as string, 'latin1').toString()).toBe('m…7');
  });

  it('carries the key in the query only when told to, and no error repeats it', async () => {
    const server = await stubServer((response) => response.writeHead(500).end());
    const { error } = await readAll(`${server.url}/stream?x=1`, PATIENT, { authInQuery: true });
    expect(server.requests[0]).toMatchObject({ path: `/stream?x=1&token=${KEY}&agent_id=bob` });
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('last-event-id');
    expect(JSON.stringify([error.message, error.details, error.hint])).not.toContain('sk_test');
  });
});

describe('an answer that is no stream', () => {
  it.each([
    [204, 'E_STREAM_UNAVAILABLE', 3_600_000],
    [404, 'E_STREAM_UNAVAILABLE', 600_000],
    [405, 'E_STREAM_UNAVAILABLE', 600_000],
    [401, 'E_AUTH_UNAUTHORIZED', 0],
    [403, 'E_AUTH_FORBIDDEN', 0],
    [400, 'E_VALIDATION_CONSTRAINT', 0],
    [429, 'E_RATE_LIMIT', 0],
    [500, 'E_INTERNAL_ERROR', 0],
    [503, 'E_INTERNAL_SERVICE', 0],
    [206, 'E_TRANSPORT_INVALID', undefined],
    [304, 'E_TRANSPORT_INVALID', undefined],
  ])('with status %i is %s', async (status, code, retryAfterMs) => {
    const server = await stubServer((response) => response.writeHead(status, STREAM).end());
    const { error, recorder } = await readAll(server.url);
    expect(error).toMatchObject({ code, retryAfterMs, retryable: true });
    expect(error.message).toContain(`GET ${server.url}/`);
    expect(recorder).toMatchObject({ bytes: 0, events: [] });
    await vi.waitFor(async () => expect(await server.open()).toBe(0));
  });

  it('says what the server said, without the key and what would spoil a line', async () => {
    const server = await stubServer((response) =>
      response.writeHead(401, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          success: false,
          error: {
            code: 'E_AUTH_EXPIRED_TOKEN',
            message: `key ${KEY}\n was rotated`,
            hint: 'Use the new one.',
          },
        }),
      ),
    );
    const { error } = await readAll(server.url);
    expect(error).toMatchObject({ code: 'E_AUTH_EXPIRED_TOKEN', hint: 'Use the new one.' });
    expect(error.message).toBe(`GET ${server.url}/: key *** was rotated`);
  });

  it.each([
    ['seconds', () => '5', 5_000],
    ['a date', () => new Date(Date.now() + 9_500).toUTCString(), 8_500],
  ])('names when to come back, in %s or in its body, whichever is later', async (_, header, least) => {
    const body = JSON.stringify({
      success: false,
      error: { code: 'E_RATE_LIMIT', message: 'x', retry_after_ms: 2_000 },
    });
    const server = await stubServer((response) =>
      response.writeHead(429, { 'retry-after': header(), date: new Date().toUTCString() }).end(body),
    );
    const { error } = await readAll(server.url);
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(least);
    expect(error.retryAfterMs).toBeLessThanOrEqual(10_000);
  });

  it('may be endless, and is not read on', async () => {
    const server = await stubServer((response) => {
      response.writeHead(500);
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    const { error } = await readAll(server.url);
    expect(error.code).toBe('E_INTERNAL_ERROR');
    await vi.waitFor(async () => expect(await server.open()).toBe(0));
  });

  it('that is packed would arrive in lumps', async () => {
    const server = await stubServer((response) =>
      response.writeHead(200, { ...STREAM, 'content-encoding': 'gzip' }).end('x'),
    );
    expect((await readAll(server.url)).error).toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: expect.stringContaining('something in gzip'),
    });
  });

  it('is late', async () => {
    const server = await stubServer(() => {});
    const { error } = await readAll(server.url, PATIENT, { timeoutMs: 50 });
    expect(error).toMatchObject({ code: 'E_TRANSPORT_TIMEOUT', message: expect.stringContaining('50 ms') });
  });

  it('is none', async () => {
    const proxy = await FaultProxy.start({ target: { port: 1 } });
    await proxy.close();
    const { error } = await readAll(proxy.url());
    expect(error).toMatchObject({ code: 'E_TRANSPORT_UNREACHABLE', hint: expect.any(String) });
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('inside the origin (%i) is followed with the key', async (status) => {
    const server = await stubServer((response, request) => {
      if (request.url === '/moved') response.writeHead(200, STREAM).end('data:x\n\n');
      else response.writeHead(status, { location: '/moved' }).end();
    });
    const { recorder } = await readAll(server.url, PATIENT, { lastEventId: '7' });
    expect(recorder.events.map(({ data }) => data)).toEqual(['x']);
    expect(server.requests[1]?.headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'last-event-id': '7',
    });
  });

  it('is followed three times, and no more', async () => {
    const server = await stubServer((response) => response.writeHead(302, { location: '/' }).end());
    expect((await readAll(server.url)).error).toMatchObject({
      code: 'E_TRANSPORT_REDIRECT',
      message: expect.stringContaining('more than 3 times'),
    });
    expect(server.requests).toHaveLength(4);
  });

  it('to another origin, or to none, is refused, and nobody there hears of the key', async () => {
    const other = await stubServer((response) => response.writeHead(200, STREAM).end('data:x\n\n'));
    const places = [
      other.url,
      `//127.0.0.1:${new URL(other.url).port}/`,
      'https://127.0.0.1/',
      'http://u:p@[::1]/',
      'http://',
    ];
    const server = await stubServer((response, _, n) => {
      const location = places[n - 1];
      response.writeHead(307, location === undefined ? {} : { location }).end();
    });
    for (const _ of [...places, undefined])
      expect((await readAll(server.url)).error).toMatchObject({
        code: 'E_TRANSPORT_REDIRECT',
        hint: expect.stringContaining('not sent to another origin'),
      });
    expect(other.requests).toEqual([]);
  });
});

describe('the end of a stream', () => {
  it('in the middle of an event does not deliver it, nor its id', async () => {
    const server = await stubServer((response) => {
      stream(response, 'id: 1\ndata: whole\n\nid: 2\ndata: half');
      setTimeout(() => response.destroy(), 20);
    });
    const { error, recorder } = await readAll(server.url);
    expect(recorder.events.map(({ data, resumeId }) => [data, resumeId])).toEqual([['whole', '1']]);
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      message: expect.stringContaining('broke'),
    });
  });

  it('comes when silence has lasted, and every byte puts it off', async () => {
    const server = await stubServer((response) => {
      stream(response, ':');
      let left = 15;
      const drip = setInterval(() => {
        response.write(':');
        if (--left === 0) clearInterval(drip);
      }, 40);
      response.on('close', () => clearInterval(drip));
    });
    const started = performance.now();
    const { error, recorder } = await readAll(server.url, { quietMs: 400, silentMs: 600 });
    expect(error).toMatchObject({ code: 'E_STREAM_SILENT', message: expect.stringContaining('600 ms') });
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(15 * 40 + 590);
    expect(took).toBeLessThan(15_000);
    // A machine that is busy may hold back a byte for longer than that.
    expect(recorder.quiets).toBeGreaterThanOrEqual(1);
    await vi.waitFor(async () => expect(await server.open()).toBe(0));
  });

  it('comes when a black hole has swallowed the connection', async () => {
    const server = await stubServer((response) => {
      stream(response);
      const beat = setInterval(() => response.write(':\n'), 20);
      response.on('close', () => clearInterval(beat));
    });
    const proxy = await FaultProxy.start({ target: server.url });
    onTestFinished(() => proxy.close());
    const recorder = new Recorder();
    const run = new Connection(requestTo(proxy.url()), { quietMs: 120, silentMs: 200 }, recorder).run(
      new AbortController().signal,
    );
    await until(() => recorder.bytes > 5);
    proxy.blackHole();
    const lost = performance.now();
    expect((await run).code).toBe('E_STREAM_SILENT');
    expect(performance.now() - lost).toBeLessThan(15_000);
  });

  it('waits for another time once it is set', async () => {
    const server = await stubServer((response) => stream(response));
    const recorder = new Recorder();
    const connection = new Connection(requestTo(server.url), PATIENT, recorder);
    const run = connection.run(new AbortController().signal);
    await until(() => recorder.bytes > 0);
    connection.setTimes({ quietMs: 20, silentMs: 40 });
    expect((await run).message).toContain('40 ms');
  });

  it('comes soon when the stream is open and nothing comes at all', async () => {
    const server = await stubServer((response) => response.writeHead(200, STREAM).flushHeaders());
    const { error } = await readAll(server.url, { quietMs: 60, silentMs: 100 });
    expect(error).toMatchObject({
      code: 'E_STREAM_BUFFERED',
      message: expect.stringContaining('50 ms'),
      hint: expect.stringContaining('proxy'),
    });
  });

  it('comes when it is aborted, at whatever moment, with that reason', async () => {
    const server = await stubServer((response, _, n) => {
      if (n > 1) stream(response);
    });
    for (const ms of [0, 30, 60]) {
      const stop = new AbortController();
      const run = new Connection(requestTo(server.url), PATIENT, new Recorder()).run(stop.signal);
      await sleep(ms);
      stop.abort(new Error('enough'));
      expect((await run).message).toContain('enough');
    }
    const before = await new Connection(requestTo(server.url), PATIENT, new Recorder()).run(
      AbortSignal.abort(new Error('too late')),
    );
    expect(before.message).toContain('too late');
    await vi.waitFor(async () => expect(await server.open()).toBe(0));
  });

  it('is final: what arrives in that moment is not looked at', async () => {
    const { promise, resolve } = Promise.withResolvers<IteratorResult<Uint8Array>>();
    let asked = 0;
    const body = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          asked += 1;
          return promise;
        },
      }),
    } as unknown as Readable;
    const recorder = new Recorder();
    const open = async () => ({ url: new URL('http://h'), body, close: async () => {} });
    const times = { quietMs: 5, silentMs: 10_000 };
    const stop = new AbortController();
    const run = new Connection(requestTo('http://h'), times, recorder, open).run(stop.signal);
    await until(() => asked === 1);
    stop.abort(new Error('enough'));
    resolve({ done: false, value: Buffer.from('data: late\n\n') });
    await run;
    await sleep(20); // More than it takes to be quiet.
    expect(recorder).toMatchObject({ bytes: 0, events: [], quiets: 0 });
  });

  it('is what a listener that throws brings about, and the process lives', async () => {
    const server = await stubServer((response) => stream(response, 'data:x\n\n'));
    const recorder = new Recorder();
    recorder.onEvent = () => {
      throw new Error('a bad listener');
    };
    const error = await new Connection(requestTo(server.url), PATIENT, recorder).run(
      new AbortController().signal,
    );
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_FAILED',
      message: expect.stringContaining('a bad listener'),
    });
  });
});

describe('what a stream may cost', () => {
  it.each([
    ['a line without an end', 'data:', 'x'],
    ['an event without an end', '', 'data:xxxxxxxx\n'],
  ])('%s ends it, before it has taken much memory', { timeout: 30_000 }, async (_, head, piece) => {
    let sent = 0;
    const chunk = piece.repeat(Math.floor(65_536 / piece.length));
    const server = await stubServer((response) => {
      stream(response, head);
      const write = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    const before = process.memoryUsage().rss;
    const { error, recorder } = await readAll(server.url);
    expect(error).toMatchObject({ code: 'E_TRANSPORT_TOO_LARGE', hint: expect.stringContaining('polled') });
    expect(recorder.events).toEqual([]);
    expect(sent).toBeLessThan(40 * 1024 * 1024);
    // That of the server and of other tests in it too.
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  });

  it('an event of a message of 1 MiB, each character written as six, is taken', async () => {
    const content = '\u0001'.repeat(1024 * 1024);
    const server = await stubServer((response) => {
      response.writeHead(200, STREAM).end(`data: ${JSON.stringify({ content })}\n\n`);
    });
    const { recorder } = await readAll(server.url);
    expect(JSON.parse(recorder.events[0]!.data).content).toBe(content);
  });

  it('a secret is not shown by what an error carries', async () => {
    const server = await stubServer((response) => {
      response.socket!.end('HTTP/1.1 200 OK\r\nbad header\r\n\r\n');
    });
    const apiKey = new Secret('sk_live_ffffffffffffffffffffffffffffffff');
    const { error } = await readAll(server.url, PATIENT, { apiKey });
    expect(error.code).toBe('E_TRANSPORT_UNREACHABLE');
    expect((error.cause as { data?: unknown }).data).toBeUndefined();
  });
});
