import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { configWith, Sandbox } from '../cleo.test.kit.ts';

describe('cleo agent start', () => {
  it('tells its life in events and nothing else on stdout, and ends with 0 on SIGTERM', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("message", (d) => d.reply("you said " + d.message.content));'),
    );
    const agent = await box.start([]);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('done', { id });
    expect(await agent.stop()).toBe(0);

    const message = agent.events.find(({ event }) => event === 'message')!;
    expect(agent.events.map(({ event }) => event)).toEqual(['ready', 'message', 'sent', 'done', 'stopped']);
    expect(agent.events[0]).toMatchObject({ agentId: 'bob', transport: 'local', pid: agent.pid });
    expect(agent.events[0]!.plugins).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
      'test-plugin',
      '@cleocode/cleo',
    ]);
    expect(message).toMatchObject({ id, from: 'ada', content: 'hello', attempt: 1 });
    expect(message).toEqual(
      expect.objectContaining({ threadId: expect.any(String), timestamp: expect.any(String) }),
    );
    expect(agent.events[2]).toMatchObject({ id, to: 'ada', content: 'you said hello' });
    expect(agent.events[3]).toMatchObject({ id, durationMs: expect.any(Number) });
    expect(agent.events[4]).toMatchObject({ reason: 'SIGTERM', drained: true, forced: [], ok: true });
    const dock = await box.dock();
    const [answer] = await dock.peek('ada');
    expect(answer).toMatchObject({ content: 'you said hello', replyTo: id });
    expect(await dock.peek('bob')).toEqual([]);
  });

  it('registers the agent of its configuration when it is new here, and says so', async () => {
    const box = new Sandbox();
    box.write('cleo.config.json', '{ "agent": "bob" }');
    const agent = await box.start([]);
    expect(agent.stderr).toContain('bob is new here');
    expect(await agent.stop('SIGINT')).toBe(0);
    expect((await box.json(['agent', 'get', 'bob'])).lines[0]).toMatchObject({
      ok: true,
      agent: { apiBaseUrl: 'local:' },
    });
  });

  it('shows messages as short lines to a person, without what their sender puts in to fool a terminal', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = box.spawn(['agent', 'start', 'bob']);
    await agent.until('the ready line', () => agent.stdout.includes('Ctrl-C stops it') || undefined);
    await box.sendAs('ada', 'bob', 'one\u001b[2J\u001b]0;title\u0007two\n● bob is ready');
    await agent.until('the message', () => agent.stdout.includes('← ada') || undefined);
    expect(await agent.stop()).toBe(0);
    expect(agent.stdout).toContain('● bob is ready (local, process ');
    expect(agent.stdout).toContain('cleo agent send --to bob "hello"');
    expect(agent.stdout).toContain('← ada: onetwo\n  ● bob is ready\n');
    expect(agent.stdout).toContain('■ bob stopped (everything in hand was finished)\n');
    expect(agent.stdout).not.toContain('\u001b');
    expect(await (await box.dock()).peek('bob')).toEqual([]);
  });

  it('refuses a second start of the same agent with 5 and the pid of the first', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const first = await box.start(['bob']);
    const second = await box.json(['agent', 'start', 'bob']);
    expect(second.code).toBe(5);
    expect(second.lines).toEqual([
      {
        ok: false,
        error: {
          code: 'E_ALREADY_RUNNING',
          message: expect.stringContaining(`already running as process ${first.pid}`),
          hint: expect.any(String),
        },
      },
    ]);
    expect(await first.stop()).toBe(0);
  });

  it('starts again at once after kill -9, and handles what was in hand', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('hang.ts', configWith('ctx.on("message", () => new Promise(() => {}));'));
    const first = await box.start(['--config', 'hang.ts']);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await first.event('message', { id });
    await first.kill();
    const second = await box.start(['bob']);
    await second.event('done', { id });
    expect(await second.event('message', { id })).toMatchObject({ attempt: 2 });
    expect(await second.stop()).toBe(0);
  });

  it('retries what failed, keeps what failed for good, and replays it while it runs', async () => {
    const box = new Sandbox();
    box.installKernel();
    const setup = 'let tries = 0; ctx.on("message", () => { if (tries++ < 2) throw new Error("no luck"); });';
    box.write('cleo.config.ts', configWith(setup, 'inbox: { maxAttempts: 2, retryBaseMs: 10 },'));
    const agent = await box.start([]);
    const id = await box.sendAs('ada', 'bob', 'hello');
    expect(await agent.event('failed', { id, attempt: 1 })).toMatchObject({
      error: 'test-plugin: no luck',
      retryInMs: expect.any(Number),
    });
    expect(await agent.event('dead', { id })).toMatchObject({ attempts: 2, error: 'test-plugin: no luck' });

    const listed = await box.json(['agent', 'dead-letters']);
    expect(listed.lines).toMatchObject([
      { message: { id, content: 'hello' }, attempts: 2 },
      { ok: true, count: 1 },
    ]);
    const shown = await box.cleo(['agent', 'dead-letters', 'bob', 'show', id]);
    expect(shown.stdout).toMatch(/reason +test-plugin: no luck[\s\S]*\nhello\n$/);
    expect((await box.json(['agent', 'dead-letters', 'replay', id])).lines).toEqual([
      { ok: true, agentId: 'bob', count: 1 },
    ]);
    await agent.event('done', { id });
    expect((await box.json(['agent', 'dead-letters', 'bob', 'list'])).lines).toEqual([
      { ok: true, count: 0 },
    ]);
    expect(await agent.stop()).toBe(0);
  });

  it('gives a message to every --exec command and sends back what the commands print with --reply', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob', '--exec', 'cat >> seen; echo "$CLEO_FROM"', '--reply']);
    const sent = await box.json(['agent', 'send', 'hello', '--to', 'bob', '--wait', '10']);
    expect(sent.code).toBe(0);
    expect(sent.lines).toMatchObject([
      { ok: true, messageId: expect.any(String), conversationId: expect.any(String) },
      { event: 'reply', from: 'bob', content: expect.any(String) },
    ]);
    expect(await agent.event('sent')).toMatchObject({ content: sent.lines[1]!.content });
    expect(await agent.stop()).toBe(0);
  });

  it('posts a message to every --webhook, signed, and sends back what is answered with --reply', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const secret = 'whsec_0123456789abcdef0123456789';
    const { url, posted } = await receiver(() => 'thank you');
    const agent = await box.start(['bob', '--webhook', url, '--allow-private', '--reply'], {
      env: { CLEO_WEBHOOK_SECRET: secret },
    });
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('done', { id });
    expect(await agent.event('sent')).toMatchObject({ id, to: 'ada', content: 'thank you' });
    expect(await agent.stop()).toBe(0);
    expect(posted).toHaveLength(1);
    const [{ headers, body }] = posted as [(typeof posted)[0]];
    expect(JSON.parse(body)).toMatchObject({ data: { messageId: id, content: 'hello' } });
    const signed = createHmac('sha256', secret).update(`${body}${headers['x-signaldock-timestamp']}`);
    expect(headers['x-signaldock-signature']).toBe(`sha256=${signed.digest('hex')}`);
    expect(agent.stdout + agent.stderr).not.toContain(secret);
  });

  it('posts a message again with the same key when it was killed before the answer', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { url, posted } = await receiver((request) => (request === 1 ? undefined : 'ok'));
    const flags = ['bob', '--webhook', url, '--allow-private'];
    const first = await box.start(flags);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await vi.waitUntil(() => posted.length === 1, { timeout: 20_000 });
    await first.kill();
    const second = await box.start(flags);
    await second.event('done', { id });
    expect(await second.stop()).toBe(0);
    expect(
      posted.map(({ headers }) => [headers['idempotency-key'], headers['x-signaldock-attempt']]),
    ).toEqual([
      [`bob:${id}`, '1'],
      [`bob:${id}`, '2'],
    ]);
  });

  it('writes a message to a file in every --file folder', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob', '--file', 'inbox', '--file', 'copies', '--exec', 'cat']);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('done', { id });
    expect(await agent.stop()).toBe(0);
    for (const folder of ['inbox', 'copies'])
      expect(JSON.parse(readFileSync(join(box.cwd, folder, `${id}.json`), 'utf8'))).toMatchObject({
        id,
        from: 'ada',
        content: 'hello',
      });
  });

  it('drains on the first Ctrl-C and ends at once with 130 on the second', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('cleo.config.ts', configWith('ctx.on("message", () => new Promise(() => {}));'));
    const agent = await box.start([]);
    await agent.event('message', { id: await box.sendAs('ada', 'bob', 'hello') });
    agent.signal('SIGINT');
    await agent.until('the note', () => agent.stderr.includes('Ctrl-C again') || undefined);
    const asked = performance.now();
    expect(await agent.stop('SIGINT')).toBe(130);
    // Draining would take ten seconds.
    expect(performance.now() - asked).toBeLessThan(8_000);
    expect(agent.events.at(-1)).toMatchObject({ event: 'message' });
  });

  it('names a plugin that does not end, and exits 1', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("stop", () => new Promise(() => {}));', 'timeouts: { stopMs: 200 },'),
    );
    const agent = await box.start([]);
    expect(await agent.stop()).toBe(1);
    expect(agent.events.at(-1)).toMatchObject({
      event: 'stopped',
      ok: false,
      forced: [{ plugin: 'test-plugin', phase: 'stop', error: expect.stringContaining('200 ms') }],
    });
  });

  it('masks what a plugin prints, keeps it off stdout, and says in the end what it has not finished and not closed', async () => {
    const box = new Sandbox();
    box.installKernel();
    const setup = `
      ctx.on("start", () => { setInterval(() => {}, 1e6); console.log("with %s", "sk_live_0123456789abcdef", [1]); });
      ctx.on("message", () => new Promise(() => {}));`;
    box.write('cleo.config.ts', configWith(setup, 'timeouts: { drainMs: 50 },'));
    const agent = await box.start([]);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('message', { id });
    expect(await agent.stop()).toBe(0);
    expect(agent.events.map(({ event }) => event)).toEqual(['ready', 'message', 'stopped']);
    expect(agent.events.at(-1)).toMatchObject({
      drained: false,
      released: [{ messageId: id, plugin: 'test-plugin' }],
      forced: [],
      ok: true,
      leftOpen: ['Timeout'],
    });
    const printed = agent.stderr.split('\n').find((line) => line.includes('with'))!;
    expect(JSON.parse(printed)).toEqual({
      time: expect.any(String),
      level: 'info',
      message: 'with sk_live_012… [ 1 ]',
    });
  });

  it('stops in order and exits 1 after an error that nobody caught', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("message", () => { setTimeout(() => { throw new Error("lost"); }); });'),
    );
    const agent = await box.start([]);
    await box.sendAs('ada', 'bob', 'hello');
    expect((await agent.exit).code).toBe(1);
    expect(agent.stdout).toContain('{"ok":false,"error":{"code":"E_UNEXPECTED","message":"lost"');
    expect(agent.events.at(-1)).toMatchObject({ event: 'stopped', reason: 'crashed' });
  });

  it('stops when the reader of its output ends, and acknowledges nothing that was not shown', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob']);
    agent.closeStdout();
    await box.sendAs('ada', 'bob', 'hello');
    expect((await agent.exit).code).toBe(1);
    expect(agent.stderr).toContain('stdout was closed');
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toMatchObject([
      { content: 'hello' },
      { count: 1 },
    ]);
  });

  it('runs several agents, each telling its own events', async () => {
    const box = new Sandbox();
    await box.register('ada', 'bob');
    const both = await box.start(['ada', 'bob']);
    await Promise.all([both.event('ready', { agentId: 'ada' }), both.event('ready', { agentId: 'bob' })]);
    await both.event('done', { agentId: 'bob', id: await box.sendAs('you', 'bob', 'hello') });
    expect(await both.stop()).toBe(0);
    const stopped = both.events.filter(({ event }) => event === 'stopped').map(({ agentId }) => agentId);
    expect(stopped.toSorted()).toEqual(['ada', 'bob']);
  });

  it('goes on with the others when one of several cannot be started, and exits 1 in the end', async () => {
    const box = new Sandbox();
    await box.register('ada', 'bob');
    const ada = await box.start(['ada']);
    const all = box.spawn(['agent', 'start', '--all', '--json']);
    await all.event('ready', { agentId: 'bob' });
    await all.until('the failure', () => all.stdout.includes('E_ALREADY_RUNNING') || undefined);
    expect(await all.stop()).toBe(1);
    expect(await ada.stop()).toBe(0);
  });

  it('starts the agents that can be served, beside one whose backend no transport serves', async () => {
    const box = new Sandbox();
    await box.register('bob');
    await box.store({ agentId: 'far', apiKey: 'a-key', apiBaseUrl: 'ws://127.0.0.1:4000' });
    const alone = await box.json(['agent', 'start', 'far']);
    expect([alone.code, alone.lines]).toMatchObject([1, [{ error: { code: 'E_TRANSPORT_UNAVAILABLE' } }]]);
    const both = await box.start(['bob', 'far']);
    await both.until('the failure', () => both.stdout.includes('E_TRANSPORT_UNAVAILABLE') || undefined);
    expect(await both.stop()).toBe(1);
    expect(both.events.at(-1)).toMatchObject({ event: 'stopped', agentId: 'bob', ok: true });
  });

  it.for([
    ['nobody is registered', ['agent', 'start'], 4, 'E_NOT_FOUND_AGENT'],
    ['the agent is not registered', ['agent', 'start', 'bob'], 4, 'E_NOT_FOUND_AGENT'],
    ['the id is none', ['agent', 'start', '../bob'], 2, 'E_AGENT_ID_INVALID'],
    ['the configuration is not there', ['agent', 'start', '--config', 'no.ts'], 2, 'E_CONFIG_NOT_FOUND'],
    ['--reply has nothing to send', ['agent', 'start', '--reply'], 2, 'E_USAGE'],
    ['--reply has but a file to ask', ['agent', 'start', '--reply', '--file', 'x'], 2, 'E_USAGE'],
    ['--reply has but the screen to ask', ['agent', 'start', '--reply', '--stdout'], 2, 'E_USAGE'],
    ['a webhook is no URL', ['agent', 'start', '--webhook', 'example.com'], 2, 'E_USAGE'],
    ['a webhook has a password', ['agent', 'start', '--webhook', 'https://a:b@example.com'], 2, 'E_USAGE'],
    ['a webhook is on this machine', ['agent', 'start', '--webhook', 'http://localhost:1'], 2, 'E_USAGE'],
    ['there is no webhook to allow it to', ['agent', 'start', '--allow-private'], 2, 'E_USAGE'],
    ['--all and ids are given', ['agent', 'start', 'bob', '--all'], 2, 'E_USAGE'],
    ['the interval is no number', ['agent', 'start', '--poll-interval', 'soon'], 2, 'E_USAGE'],
  ] as const)('refuses when %s', async ([, args, code, error]) => {
    const box = new Sandbox();
    const answer = await box.json([...args]);
    expect(answer.lines).toMatchObject([{ ok: false, error: { code: error, hint: expect.any(String) } }]);
    expect(answer.code).toBe(code);
  });

  it('refuses a configuration that cannot be used with 2, and says where it is wrong', async () => {
    const box = new Sandbox();
    box.write('cleo.config.json', '{ "agent": "bob", "plugin": [] }');
    const { code, stderr } = await box.cleo(['agent', 'start']);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^error E_CONFIG_INVALID: cleo\.config\.json: plugin: unknown key, did you mean "plugins"\?\n {2}→ .+\n$/,
    );
  });

  it('can be stopped while it starts', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("init", () => new Promise((r) => { console.error("init"); setTimeout(r, 500); }));'),
    );
    const agent = box.spawn(['agent', 'start', '--json']);
    await agent.until('init', () => agent.stderr.includes('init') || undefined);
    expect(await agent.stop()).toBe(0);
    expect(agent.events).toMatchObject([{ event: 'stopped', reason: 'SIGTERM', ok: true }]);
  });
});

interface Posted {
  body: string;
  headers: IncomingHttpHeaders;
}

/** A receiver of webhooks; `answer` gets the number of the request, and `undefined` answers nothing. */
async function receiver(answer: (request: number) => string | undefined) {
  const posted: Posted[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => '');
    const said = answer(posted.push({ headers: request.headers, body }));
    if (said !== undefined) response.setHeader('content-type', 'text/plain').end(said);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, posted };
}
