import { execFileSync } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import type { ConduitMessage, InboxEvent } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import {
  createKernel,
  createLogger,
  describeConfig,
  type Kernel,
  type KernelConfig,
  type LogRecord,
} from '@cleocode/kernel';
import fromSubpath from '@cleocode/plugin-deliver/webhook';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type WebhookOptions, webhook } from './index.ts';
import { isSigned, rawReceiver, receiver, says, selfSignedReceiver, unusedUrl } from './receiver.test.kit.ts';
import { until } from './until.test.kit.ts';

const SECRET = 'whsec_0123456789abcdef0123456789';
let transport: MockTransport;
let kernel: Kernel | undefined;
let events: InboxEvent[];
let records: LogRecord[];

beforeEach(() => {
  transport = new MockTransport();
  events = [];
  records = [];
});

afterEach(async () => {
  await kernel?.stop();
  kernel = undefined;
  vi.unstubAllEnvs();
});

async function start(options: WebhookOptions, config: KernelConfig = {}): Promise<Kernel> {
  const made = createKernel({
    agent: 'bot',
    transport,
    plugins: [webhook({ allowPrivate: true, ...options })],
    inbox: { retryBaseMs: 1, maxAttempts: 2 },
    logger: createLogger('debug', (record) => records.push(record)),
    ...config,
  });
  await made.start();
  kernel = made;
  kernel.inbox.observe((event) => events.push(event));
  return kernel;
}

function message(more: Partial<ConduitMessage> = {}): ConduitMessage {
  return {
    id: 'm1',
    from: 'alice',
    content: 'héllo\nthere 👋',
    timestamp: '2026-01-01T00:00:00Z',
    threadId: 't1',
    ...more,
  };
}

/** The error of a message that is tried once. */
async function failure(options: WebhookOptions): Promise<unknown> {
  const agent = await start(options, { inbox: { maxAttempts: 1 } });
  expect(await agent.dispatch(message())).toMatchObject({ status: 'dead' });
  return events.flatMap((event) => (event.type === 'failed' ? [event.error] : []))[0];
}

const warnings = () => records.filter(({ level }) => level === 'warn').map(({ message: text }) => text);

describe('a message', () => {
  it('is posted as the event of the record', async () => {
    const server = await receiver();
    const agent = await start({ url: `${server.url}?a=1` });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(server.received).toHaveLength(1);
    const { method, path, headers, body } = server.received[0]!;
    expect([method, path]).toEqual(['POST', '/hook?a=1']);
    const event = JSON.parse(body.toString());
    expect(event).toEqual({
      event: 'message.received',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: {
        messageId: 'm1',
        conversationId: 't1',
        from: { agentId: 'alice' },
        content: 'héllo\nthere 👋',
        contentType: 'text',
        createdAt: '2026-01-01T00:00:00Z',
      },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(body.length),
      'user-agent': 'SignalDock-Webhook/1.0',
      'x-signaldock-agent-id': 'bot',
      'x-signaldock-delivery-id': 'delivery:m1',
      'x-signaldock-attempt': '1',
      'x-signaldock-timestamp': String(Math.floor(Date.parse(event.timestamp) / 1_000)),
      'idempotency-key': 'bot:m1',
    });
    expect(headers).not.toHaveProperty('x-signaldock-signature');
    expect(transport.pushed).toEqual([]);
  });

  it('keeps its type and its attachments', async () => {
    const server = await receiver();
    const attachments = [{ id: 'a', contentType: 'image', url: 'https://example.com/a.png' }];
    await (await start({ url: server.url })).dispatch(message({ contentType: 'mixed', attachments }));
    const { data } = JSON.parse(server.received[0]!.body.toString());
    expect(data).toMatchObject({ contentType: 'mixed', attachments });
  });

  it('is signed over the very bytes and the timestamp', async () => {
    const server = await receiver();
    await (await start({ url: server.url, secret: SECRET })).dispatch(message());
    const [received] = server.received;
    expect(received!.headers['x-signaldock-signature']).toMatch(/^sha256=[0-9a-f]{64}$/);
    expect(isSigned(received!, SECRET)).toBe(true);
    expect(isSigned(received!, `${SECRET}x`)).toBe(false);
    expect(isSigned({ ...received!, body: Buffer.concat([received!.body, Buffer.from(' ')]) }, SECRET)).toBe(
      false,
    );
  });

  it('is signed with a secret that only the environment holds', async () => {
    vi.stubEnv('CLEO_WEBHOOK_SECRET', SECRET);
    const server = await receiver();
    await (await start({ url: server.url, secretEnv: 'CLEO_WEBHOOK_SECRET' })).dispatch(message());
    expect(isSigned(server.received[0]!, SECRET)).toBe(true);
  });

  it('has the same key in every attempt, whichever copy of a group message comes', async () => {
    const server = await receiver(500, 200);
    const agent = await start({ url: server.url });
    await agent.dispatch(message({ id: 'copy', groupId: 'g1' }));
    expect(
      server.received.map(({ headers }) => [
        headers['idempotency-key'],
        headers['x-signaldock-delivery-id'],
        headers['x-signaldock-attempt'],
      ]),
    ).toEqual([
      ['bot:g1', 'delivery:copy', '1'],
      ['bot:g1', 'delivery:copy', '2'],
    ]);
  });

  it('may have an id that no header could carry', async () => {
    const server = await receiver();
    const id = 'é\r\nx-evil: 1 \ud800';
    expect(await (await start({ url: server.url })).dispatch(message({ id }))).toEqual({ status: 'done' });
    const { headers, body } = server.received[0]!;
    expect(headers['idempotency-key']).toBe('bot:%C3%A9%0D%0Ax-evil%3A%201%20%EF%BF%BD');
    expect(headers).not.toHaveProperty('x-evil');
    expect(JSON.parse(body.toString()).data.messageId).toBe(id);
  });

  it('takes headers of the user along', async () => {
    const server = await receiver();
    const headers = { Authorization: 'Bearer abc', 'User-Agent': 'mine/1' };
    await (await start({ url: server.url, headers })).dispatch(message());
    expect(server.received[0]!.headers).toMatchObject({
      authorization: 'Bearer abc',
      'user-agent': 'mine/1',
    });
  });

  it('goes over the connections that are there already', async () => {
    const server = await receiver(says('text/plain', 'ok'));
    const agent = await start({ url: server.url });
    for (let n = 0; n < 10; n++) await agent.dispatch(message({ id: `m${n}` }));
    expect(server.received).toHaveLength(10);
    expect(server.connections).toBeLessThanOrEqual(2);
  });
});

describe('the status of the answer', () => {
  it.each([200, 201, 202, 204, 299])('%i is done', async (status) => {
    const server = await receiver(status);
    expect(await (await start({ url: server.url })).dispatch(message())).toEqual({ status: 'done' });
  });

  it.each([400, 401, 403, 404, 410, 413, 422])('%i ends the message for good', async (status) => {
    const server = await receiver(says('text/plain', 'no such\norder', status));
    const agent = await start({ url: server.url });
    expect(await agent.dispatch(message())).toMatchObject({ status: 'dead', attempts: 1 });
    const { origin } = new URL(server.url);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'failed',
        error: expect.objectContaining({
          code: 'E_PERMANENT',
          message: `webhook: ${origin} refused the message (status ${status}): no such order`,
          details: { origin, status },
        }),
      }),
    );
    expect(server.received).toHaveLength(1);
  });

  it.each([300, 304, 408, 409, 425, 429, 500, 502, 503, 599])('%i is tried again', async (status) => {
    const server = await receiver(status, 200);
    expect(await (await start({ url: server.url })).dispatch(message())).toEqual({ status: 'done' });
    expect(server.received).toHaveLength(2);
    const { origin } = new URL(server.url);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'failed',
        error: expect.objectContaining({
          code: 'E_WEBHOOK_FAILED',
          message: `webhook: ${origin} answered with status ${status}`,
          hint: expect.stringContaining('2xx'),
          retryable: true,
          details: { origin, status },
        }),
      }),
    );
  });

  it.each([
    ['seconds', () => ({ 'retry-after': '20' }), 20_000],
    [
      'a date, by its own clock',
      () => ({ date: 'Thu, 01 Jan 2026 00:00:00 GMT', 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }),
      30_000,
    ],
    ['too long a time', () => ({ 'retry-after': '86400' }), 900_000],
  ] as const)('names when to come back in %s', async (_, headers, ms) => {
    const server = await receiver((__, response) => response.writeHead(503, headers()).end());
    const agent = await start({ url: server.url });
    agent.dispatch(message()).catch(() => {});
    await until(() => events.some(({ type }) => type === 'failed'));
    expect(events.find(({ type }) => type === 'failed')).toMatchObject({ retryInMs: ms });
  });
});

describe('an answer that does not come as it should', () => {
  it('is given up at the deadline', async () => {
    const server = await receiver(() => {});
    expect(await failure({ url: server.url, timeoutMs: 100 })).toMatchObject({
      code: 'E_WEBHOOK_TIMEOUT',
      message: `webhook: ${new URL(server.url).origin} did not answer within 100 ms`,
      hint: expect.stringContaining('timeoutMs'),
      retryable: true,
    });
    await until(() => server.open() === 0);
  });

  it('that says 2xx and then stalls is taken, unless its reply is wanted', async () => {
    const stalling = await receiver((_, response) =>
      response.writeHead(200, { 'content-type': 'text/plain' }).write('hal'),
    );
    const agent = await start({ url: stalling.url, timeoutMs: 200 });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(stalling.received).toHaveLength(1);
    await until(() => stalling.open() === 0);
    await agent.stop();

    expect(await failure({ url: stalling.url, timeoutMs: 200, reply: true })).toMatchObject({
      code: 'E_WEBHOOK_TIMEOUT',
    });
    expect(transport.pushed).toEqual([]);
    await until(() => stalling.open() === 0);
  });

  it('and never ends is read to its bound', async () => {
    let sent = 0;
    const endless = (status: number) => (_: unknown, response: ServerResponse) => {
      response.writeHead(status, { 'content-type': 'text/plain' });
      const more = () => {
        while (!response.destroyed) {
          sent += 1;
          if (!response.write('x'.repeat(64 * 1024))) return response.once('drain', more);
        }
        return undefined;
      };
      more();
    };
    const taken = await receiver(endless(200));
    const agent = await start({ url: taken.url });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    await until(() => taken.open() === 0);
    await agent.stop();

    const failing = await receiver(endless(422));
    const error = (await failure({ url: failing.url })) as Error;
    expect(error.message).toMatch(/\(status 422\): x{200}…$/);
    await until(() => failing.open() === 0);
    // What the system buffers on the way, at most: far from without an end.
    expect(sent * 64).toBeLessThan(32 * 1024);
  });

  it('because the connection breaks is tried again', async () => {
    const server = await receiver((_, response) => response.destroy(), 200);
    const agent = await start({ url: server.url });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(events).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ code: 'E_WEBHOOK_UNREACHABLE' }) }),
    );
  });

  it('because nobody listens is tried again', async () => {
    const free = await unusedUrl();
    expect(await failure({ url: free })).toMatchObject({
      code: 'E_WEBHOOK_UNREACHABLE',
      message: expect.stringMatching(
        /^webhook: http:\/\/127\.0\.0\.1:\d+ could not be reached: .*ECONNREFUSED/,
      ),
      hint: expect.stringContaining('Check the address'),
      retryable: true,
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('because nobody knows its certificate says what to do', async () => {
    expect(await failure({ url: await selfSignedReceiver() })).toMatchObject({
      code: 'E_WEBHOOK_UNREACHABLE',
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });

  it('because it is no HTTP is tried again, without the bytes that may echo the request', async () => {
    const url = await rawReceiver((socket, request) => socket.end(`SMTP ready ${request}`));
    const error = await failure({ url, headers: { authorization: 'Bearer hunter2hunter2' } });
    expect(error).toMatchObject({ code: 'E_WEBHOOK_UNREACHABLE' });
    expect((error as Error).cause).not.toMatchObject({ data: expect.anything() });
  });
});

describe('a redirect', () => {
  const to = (status: number, location?: string) => (_: unknown, response: ServerResponse) =>
    response.writeHead(status, { ...(location !== undefined && { location }) }).end('elsewhere');

  it.each([307, 308])(
    'with status %i is followed on the same origin with all that was sent',
    async (status) => {
      const server = await receiver(to(status, 'v2/hook?b=2'), 200);
      const agent = await start({ url: server.url, secret: SECRET, headers: { 'x-own': '1' } });
      expect(await agent.dispatch(message())).toEqual({ status: 'done' });
      const [first, second] = server.received;
      expect(second).toMatchObject({ method: 'POST', path: '/v2/hook?b=2' });
      expect(second!.body.equals(first!.body)).toBe(true);
      expect(second!.headers).toEqual(first!.headers);
      expect(isSigned(second!, SECRET)).toBe(true);
    },
  );

  it('to another origin is refused, and nothing is sent there', async () => {
    const other = await receiver();
    const server = await receiver(to(307, other.url));
    const { origin } = new URL(server.url);
    expect(await failure({ url: server.url })).toMatchObject({
      code: 'E_WEBHOOK_REDIRECT',
      message: `webhook: ${origin} redirects to ${new URL(other.url).origin}`,
      hint: expect.stringContaining('another origin'),
    });
    expect(server.received).toHaveLength(1);
    expect([other.received, other.connections]).toEqual([[], 0]);
  });

  it.each([
    ['https://127.0.0.1/', /redirects to https:\/\/127\.0\.0\.1$/],
    ['http://me:hunter2@127.0.0.1/', /redirects to an address that is none$/],
    ['http://', /redirects to an address that is none$/],
    [undefined, /redirects without saying where to$/],
  ])('to %s is refused', async (location, text) => {
    const server = await receiver(to(308, location));
    expect(await failure({ url: server.url })).toMatchObject({
      code: 'E_WEBHOOK_REDIRECT',
      message: expect.stringMatching(text),
    });
  });

  it.each([301, 302, 303])('with status %i would drop the message, so it is refused', async (status) => {
    const server = await receiver(to(status, '/login'));
    expect(await failure({ url: server.url })).toMatchObject({
      code: 'E_WEBHOOK_REDIRECT',
      message: expect.stringContaining(`redirects with status ${status}, which drops the message`),
    });
    expect(server.received).toHaveLength(1);
  });

  it('is followed three times, not for ever', async () => {
    const round = to(307, '/hook');
    const server = await receiver(round, round, round, 200, round);
    const agent = await start({ url: server.url }, { inbox: { maxAttempts: 1 } });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(await agent.dispatch(message({ id: 'm2' }))).toMatchObject({
      status: 'dead',
      error: expect.stringContaining('redirects more than 3 times in a row'),
    });
    expect(server.received).toHaveLength(8);
  });
});

describe('with reply', () => {
  const json = (value: unknown) => says('application/json; charset=utf-8', JSON.stringify(value));

  it.each([
    ['plain text', says('text/plain; charset=utf-8', 'one\n\ntwo ü\n'), 'one\n\ntwo ü'],
    ['a JSON reply', json({ reply: 'yes', content: 'no' }), 'yes'],
    ['JSON content', json({ content: ' as it is\n' }), ' as it is\n'],
    ['JSON of a kind of its own', says('application/problem+json', '{"reply":"yes"}'), 'yes'],
  ])('%s is sent back', async (_, answer, content) => {
    const server = await receiver(answer);
    const agent = await start({ url: server.url, reply: true });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(transport.pushed).toMatchObject([
      { to: 'alice', content, options: { conversationId: 't1', replyTo: 'm1' } },
    ]);
    expect(warnings()).toEqual([]);
  });

  it.each([
    ['nothing', says('text/plain', '')],
    ['an empty line', says('text/plain', '\r\n')],
    ['204', says(undefined, '', 204)],
    ['a JSON object about something else', json({ ok: true })],
    ['an empty reply', json({ reply: '' })],
    ['a reply of null', json({ reply: null })],
    ['JSON null', says('application/json', 'null')],
  ])('%s is no reply', async (_, answer) => {
    const server = await receiver(answer);
    expect(await (await start({ url: server.url, reply: true })).dispatch(message())).toEqual({
      status: 'done',
    });
    expect(transport.pushed).toEqual([]);
    expect(warnings()).toEqual([]);
  });

  it.each([
    ['a page', says('text/html', '<h1>ok</h1>'), 'it is neither text/plain nor JSON, but text/html'],
    ['no type', says(undefined, 'ok'), 'it is neither text/plain nor JSON, but of no type'],
    ['half JSON', says('application/json', '{"reply":'), 'it says that it is JSON, and is not'],
    ['a number', json({ reply: 5 }), 'its "reply" is not a string'],
    ['too much JSON', json({ reply: 'x'.repeat(2 ** 20) }), 'its JSON has more than 1 MiB'],
  ])('%s is no reply, the log says why, and the message is done', async (_, answer, problem) => {
    const server = await receiver(answer);
    const agent = await start({ url: server.url, reply: true });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(transport.pushed).toEqual([]);
    expect(warnings()).toEqual([`the answer of ${new URL(server.url).origin} is no reply: ${problem}`]);
  });

  it('sends the first MiB of a longer text, and says so in the log', async () => {
    const server = await receiver(says('text/plain', `x${'é'.repeat(2 ** 20)}`));
    await (await start({ url: server.url, reply: true })).dispatch(message());
    expect(transport.pushed[0]!.content).toBe(`x${'é'.repeat(2 ** 19 - 1)}`);
    expect(warnings()).toEqual([expect.stringContaining('1 MiB')]);
  });

  it('posts again, with the same key, when the reply could not be sent', async () => {
    transport.failNext('push', new Error('down'));
    const server = await receiver(says('text/plain', 'hello'));
    const agent = await start({ url: server.url, reply: true });
    expect(await agent.dispatch(message())).toEqual({ status: 'done' });
    expect(transport.pushed).toMatchObject([{ content: 'hello' }]);
    expect(server.received.map(({ headers }) => headers['idempotency-key'])).toEqual(['bot:m1', 'bot:m1']);
  });

  it('does not take a failure for a reply', async () => {
    const server = await receiver(says('text/plain', 'not now', 503), says('text/plain', 'never', 410));
    await (await start({ url: server.url, reply: true })).dispatch(message());
    expect(transport.pushed).toEqual([]);
  });
});

describe('a stop', () => {
  it('waits for the answer that is about to come', async () => {
    let answer = () => {};
    const server = await receiver((_, response) => {
      answer = () => response.end();
    });
    const agent = await start({ url: server.url });
    const done = agent.dispatch(message());
    await until(() => server.received.length === 1);
    const stopping = agent.stop();
    answer();
    expect(await stopping).toMatchObject({ ok: true, drained: true });
    expect(await done).toEqual({ status: 'done' });
  });

  it('ends the request that does not come to an end, and no connection is left', async () => {
    const server = await receiver(() => {});
    const agent = await start({ url: server.url }, { timeouts: { drainMs: 50 } });
    agent.dispatch(message()).catch(() => {});
    await until(() => server.received.length === 1);
    expect(await agent.stop()).toMatchObject({ ok: true, released: [{ messageId: 'm1' }] });
    await until(() => server.open() === 0);
  });
});

it('shows secrets nowhere, even when the receiver echoes them', async () => {
  vi.stubEnv('TEST_HOOK_SECRET', SECRET);
  const token = 'Bearer hunter2-hunter2-hunter2';
  const server = await receiver((_, response) =>
    response.writeHead(500).end(`expected ${SECRET} with ${token} or hunter2-hunter2-hunter2`),
  );
  const options = { url: server.url, secret: SECRET, headers: { authorization: token } };
  await (await start(options)).dispatch(message());
  const plugins = [webhook(options), webhook({ url: server.url, secretEnv: 'TEST_HOOK_SECRET' })];
  const config = describeConfig({ config: { plugins }, file: '/app/cleo.config.ts' }, {}, '/app');
  const shown = JSON.stringify([events, records, kernel!.describe(), config], (_, value) =>
    value instanceof Error ? `${value.message} ${value.stack} ${JSON.stringify(value)}` : value,
  );
  expect(shown).toContain('answered with status 500: expected');
  expect(shown).not.toMatch(/0123456789|hunter2/);
});

describe('options', () => {
  const url = 'https://hooks.example.com/a';

  it.each([
    ['no URL', {}, /\.url: /],
    ['an address that is none', { url: 'example.com' }, /\.url: not an http\(s\) URL/],
    ['a password', { url: 'https://me:hunter2@example.com' }, /\.url: the URL carries a user name/],
    ['this machine', { url: 'https://127.0.0.1', allowPrivate: false }, /\.url: .*allowPrivate/],
    ['plain http', { url: 'http://example.com' }, /\.url: .*allowInsecure/],
    ['an empty secret', { url, secret: '' }, /\.secret: /],
    ['two secrets', { url, secret: SECRET, secretEnv: 'PATH' }, /\.secretEnv: there is a secret already/],
    [
      'a secret that is not there',
      { url, secretEnv: 'NO_SUCH_SECRET' },
      /the environment has no NO_SUCH_SECRET/,
    ],
    [
      'a header of ours',
      { url, headers: { 'X-SignalDock-Signature': 'mine' } },
      /\.headers: X-SignalDock-Signature is not for you to set/,
    ],
    [
      'a header with two lines',
      { url, headers: { 'x-a': 'b\r\nx-c: d' } },
      /\.headers: the value of x-a cannot stand in a header/,
    ],
    ['a header without a name', { url, headers: { '': 'b' } }, /\.headers: "" is not the name of a header/],
    ['no time', { url, timeoutMs: 0 }, /\.timeoutMs: /],
    ['a word it does not know', { url, timeout: 5 }, /timeout/],
  ])('refuse %s', async (_, options, text) => {
    const error = await start(options as WebhookOptions).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'E_PLUGIN_OPTIONS', message: expect.stringMatching(text) });
    expect(error.message).not.toMatch(/hunter2|0123456789/);
  });
});

it('loads no HTTP client before there is a message', () => {
  const program = `
    import { createRequire } from 'node:module';
    import { MockTransport } from ${JSON.stringify(import.meta.resolve('@cleocode/contracts/testing'))};
    import { createKernel, createLogger } from ${JSON.stringify(import.meta.resolve('@cleocode/kernel'))};
    import { webhook } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/undici/'));
    const kernel = createKernel({
      agent: 'bot',
      transport: new MockTransport(),
      plugins: [webhook({ url: 'http://127.0.0.1:9', allowPrivate: true })],
      inbox: { maxAttempts: 1 },
      logger: createLogger('error', () => {}),
    });
    await kernel.start();
    const before = loaded();
    await kernel.dispatch({ id: 'm1', from: 'alice', content: 'hello', timestamp: 'now' });
    console.log(before, loaded());
    await kernel.stop();`;
  const output = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect(output).toBe('false true\n');
});

it('is the default export of its own path, for configurations that can only name it', () => {
  expect(fromSubpath.definition).toBe(webhook.definition);
});
