import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it, vi } from 'vitest';
import { connected } from './harness.test.kit.ts';
import { json, rawServer, type Stub, stub } from './stub.test.kit.ts';

/** A stub that answers with `text`, as JSON unless told. */
function saying(text: string, { status = 200, type = 'application/json' } = {}): Promise<Stub> {
  return stub((_, response) => void response.writeHead(status, { 'content-type': type }).end(text));
}

/** What a push fails with, over a server of the record (so that it is sent once) that answers it with these bytes. */
async function pushTo(answer: string): Promise<unknown> {
  const url = await rawServer((socket, request) => {
    if (request.includes('/health')) socket.write('HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n');
    else socket.end(answer);
  });
  const transport = await connected(url);
  return transport.push('bob', 'hi').then(
    () => 'no error',
    (error) => error,
  );
}

describe('an answer that is not what was asked for', () => {
  it('is an error of its own: not JSON', async () => {
    const server = await saying('<html><title>Welcome</title>\u001b[2J<p>Log in</p></html>', {
      type: 'text/html',
    });
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: `GET ${server.url}/messages/peek: expected application/json, not text/html`,
      hint: expect.stringContaining('SignalDock'),
      retryable: true,
    });
  });

  it.each([
    ['cut short', '{"success":true,"data":{"messages":[{"id":"sk_test_new'],
    ['two values', '{} {}'],
    ['nothing but a space', ' '],
  ])('is an error of its own: JSON that is %s, and nothing of it is repeated', async (_, text) => {
    const server = await saying(text);
    const error = await (await connected(server.url)).poll().catch((error) => error);
    expect(error).toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: `GET ${server.url}/messages/peek: expected JSON; the ${text.length} bytes of the answer are none`,
    });
    expect(error.cause).toBeUndefined();
  });

  it.each([
    ['', 'data: Invalid input: expected object, received undefined'],
    ['null', 'data: Invalid input: expected object, received null'],
    ['[]', 'data: Invalid input: expected object, received array'],
    ['{"data":{"messages":7}}', 'data.messages: Invalid input: expected array, received number'],
    ['{"success":true,"data":{}}', 'data.messages: Invalid input: expected array, received undefined'],
  ])('is an error of its own: %j is JSON of another shape', async (text, fault) => {
    const server = await saying(text);
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: expect.stringContaining(fault),
    });
  });

  it('is an error of its own: packed, though nobody asked for it', async () => {
    const server = await stub((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('{}');
    });
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: expect.stringContaining('expected no content encoding, not gzip'),
    });
  });

  it('may carry its data as `result`, and bare', async () => {
    expect(await (await connected((await saying('{"result":{"messages":[]}}')).url)).poll()).toEqual([]);
    expect(await (await connected((await saying('{"messages":[]}')).url)).poll()).toEqual([]);
  });

  it('is a failure when its envelope says so, whatever its status', async () => {
    const server = await saying('{"success":false,"error":{"code":"E_NOT_FOUND_AGENT","message":"no bob"}}');
    await expect((await connected(server.url)).ack(['m'])).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
      message: 'no bob',
    });
  });

  it('is not taken for an acknowledgement', async () => {
    const server = await saying('<html>', { type: 'text/html' });
    await expect((await connected(server.url)).ack(['m'])).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
    });
  });
});

describe('an error of what stands between', () => {
  it.each([
    [401, 'E_AUTH_UNAUTHORIZED'],
    [403, 'E_AUTH_FORBIDDEN'],
    [404, 'E_NOT_FOUND_RESOURCE'],
    [413, 'E_VALIDATION_CONSTRAINT'],
    [429, 'E_RATE_LIMIT'],
    [500, 'E_INTERNAL_ERROR'],
    [502, 'E_INTERNAL_SERVICE'],
    [504, 'E_INTERNAL_SERVICE'],
  ])('with status %i is %s, with the beginning of what it says as plain text', async (status, code) => {
    const html = `<h1>Bad\u001b[31m gateway</h1>\n<p>${'x'.repeat(1_000)}</p>`;
    const server = await saying(html, { status, type: 'text/html' });
    server.features = null;
    const error = await (await connected(server.url)).push('bob', 'hi').catch((error) => error);
    expect(error).toMatchObject({ code, details: { status } });
    expect(error.message).toMatch(/status \d+: Bad \[31m gateway x{100,}…$/);
    expect(error.message.length).toBeLessThan(400);
  });

  it('with status 408 is worth another try, with status 304 is none of ours', async () => {
    const [late, unasked] = [await saying('', { status: 408 }), await saying('', { status: 304 })];
    late.features = unasked.features = null;
    await expect((await connected(late.url)).push('bob', 'hi')).rejects.toMatchObject({
      retryable: true,
      details: { status: 408 },
    });
    await expect((await connected(unasked.url)).push('bob', 'hi')).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      details: { status: 304 },
    });
  });
});

describe('a connection that is no HTTP', () => {
  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n', 'E_TRANSPORT_INVALID'],
    ['less than it announces', 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}', 'E_TRANSPORT_UNREACHABLE'],
    ['closed without a word', '', 'E_TRANSPORT_UNREACHABLE'],
    ['closed within the headers', 'HTTP/1.1 200 OK\r\ncontent-', 'E_TRANSPORT_UNREACHABLE'],
    ['a 100 that nobody asked for', 'HTTP/1.1 100 Continue\r\n\r\n', 'E_TRANSPORT_UNREACHABLE'],
    [
      'an upgrade',
      'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'E_TRANSPORT_UNREACHABLE',
    ],
    [
      'endless headers',
      `HTTP/1.1 200 OK\r\n${`x-filler: ${'x'.repeat(1_000)}\r\n`.repeat(20)}`,
      'E_TRANSPORT_TOO_LARGE',
    ],
  ])('gives an error: %s', async (_, answer, code) => {
    expect(await pushTo(answer)).toMatchObject({ code });
  });

  it('is not quoted: what a parser stumbles over may echo the key', async () => {
    const error = await pushTo('HTTP/9 sk_test_key\r\n');
    expect(error).toMatchObject({ code: 'E_TRANSPORT_INVALID' });
    expect((error as Error).cause).toHaveProperty('data', undefined);
  });

  it('may say a word before it answers', async () => {
    const body = '{"id":"m"}';
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n';
    const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    expect(await pushTo(hints + answer)).toBe('no error');
  });

  it('that answers more than was asked does not have the rest taken for the next answer', async () => {
    const body = '{"messages":[]}';
    const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const forged = answer.replace('[]', '[{"id":"forged"}]').replace('15', '32');
    const url = await rawServer((socket) => socket.write(answer + forged));
    const transport = await connected(url);
    for (let n = 0; n < 5; n += 1) expect(await transport.poll().catch(() => [])).toEqual([]);
  });
});

describe('an answer that is too large', () => {
  it('is refused by what it announces, before it is read', async () => {
    const server = await stub((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1024 ** 3 }).write('{');
    });
    await expect((await connected(server.url)).poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_TOO_LARGE',
      message: `GET ${server.url}/messages/peek: the answer has more than 67108864 bytes`,
      retryable: false,
    });
    await vi.waitFor(() => expect(server.open(), 'all but the one of the health check').toBe(1));
  });

  it('is cut off where it does not say: of a gigabyte no more is read than allowed', async () => {
    let written = 0;
    const server = await stub(async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(64 * 1024, '1');
      const gigabyte = Readable.from(
        (function* () {
          for (; written < 1024 ** 3; written += chunk.length) yield chunk;
        })(),
      );
      await pipeline(gigabyte, response).catch(() => {}); // The client has closed the connection.
    });
    const transport = await connected(server.url);
    const before = process.memoryUsage.rss();
    await expect(transport.heartbeat({ status: 'online' })).rejects.toMatchObject({
      code: 'E_TRANSPORT_TOO_LARGE',
      details: { maxBytes: 8 * 1024 * 1024 },
    });
    expect(written).toBeLessThan(32 * 1024 ** 2);
    // That of the server and of other tests in it too.
    expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 ** 2);
    await vi.waitFor(() => expect(server.open(), 'all but the one of the health check').toBe(1));
  });
});

describe('connections', () => {
  it('are used again and never pile up, whatever is answered', async () => {
    const statuses = [404, 401, 200, 403];
    const server = await stub((_, response) => {
      const status = statuses[server.received.length % statuses.length]!;
      json(response, status, { success: false, error: { code: 'E', message: 'x'.repeat(10_000) } });
    });
    const transport = await connected(server.url);
    for (let round = 0; round < 20; round += 1)
      await Promise.allSettled(Array.from({ length: 100 }, () => transport.isOnline('bob')));
    expect(server.received).toHaveLength(2_000);
    expect(server.connections).toBeLessThanOrEqual(10);
  });
});
