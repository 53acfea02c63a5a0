import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configWith, Sandbox } from '../cleo.test.kit.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;
/** Where nobody listens. */
const BOB_AT_PORT_1 = { agentId: 'bob', apiKey: KEY, apiBaseUrl: 'http://127.0.0.1:1' };
const answerHi = 'ctx.on("message", (d) => d.reply("hi " + d.message.from));';

describe('cleo agent register --api-url', () => {
  it('registers there and stores the key it is given, encrypted and never shown whole', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    const { code, stdout, stderr } = await box.cleo([
      ...['agent', 'register', 'bob', '--api-url', `${url}/`, '--name', 'Bob the agent'],
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `bob is registered (${url}, state in ${box.stateDir}).\n  Run it: cleo agent start bob\n`,
    );
    expect(await dock.getAgent('bob')).toMatchObject({ name: 'Bob the agent' });
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toEqual([{ ok: true, count: 0 }]);
    expect((await box.json(['agent', 'get', 'bob'])).lines).toMatchObject([
      {
        agent: {
          apiBaseUrl: url,
          displayName: 'Bob the agent',
          apiKey: expect.stringMatching(/^sk_live_.{3}…$/),
        },
      },
    ]);
  });

  it('takes a path as the prefix of the whole API', async () => {
    const asked: string[] = [];
    const url = await stub((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end(JSON.stringify({ success: true, data: { agent: wireAgent('bob'), apiKey: KEY } }));
    });
    const { lines } = await new Sandbox().json(['agent', 'register', 'bob', '--api-url', `${url}/api/v1/`]);
    expect(asked).toEqual(['POST /api/v1/agents']);
    expect(lines).toMatchObject([{ ok: true, apiBaseUrl: `${url}/api/v1`, apiKey: 'sk_live_012…' }]);
  });

  it('says how to go on when the id is taken there, and stores nothing', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await dock.registerAgent({ agentId: 'bob' });
    const { code, lines } = await box.json(['agent', 'register', 'bob', '--api-url', url]);
    expect(lines).toMatchObject([
      {
        ok: false,
        error: {
          code: 'E_CONFLICT_ALREADY_EXISTS',
          message: `the id "bob" is taken at ${url}`,
          hint: expect.stringContaining(`cleo agent register bob --api-url ${url} --api-key-stdin`),
        },
      },
    ]);
    expect([code, existsSync(box.stateDir)]).toEqual([1, false]);
  });

  it('refuses an agent that has a key of another backend here, which would be lost', async () => {
    const box = new Sandbox();
    const { url } = await box.server();
    await box.store(BOB_AT_PORT_1);
    const { lines } = await box.json(['agent', 'register', 'bob', '--api-url', url]);
    expect(lines).toMatchObject([
      {
        error: {
          code: 'E_CONFLICT_ALREADY_EXISTS',
          message: expect.stringContaining('at http://127.0.0.1:1'),
          hint: expect.stringContaining(`cleo agent register bob --api-url ${url} --keep-key`),
        },
      },
    ]);
  });

  it('keeps the key with --keep-key, where a backend has moved', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
    await box.store({ ...BOB_AT_PORT_1, apiKey, displayName: 'Bob' });
    const { lines } = await box.json(['agent', 'register', 'bob', '--api-url', url, '--keep-key']);
    expect(lines).toMatchObject([{ ok: true, apiBaseUrl: url }]);
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toEqual([{ ok: true, count: 0 }]);
    expect((await box.json(['agent', 'list'])).lines).toMatchObject([{ displayName: 'Bob' }, { count: 1 }]);
  });

  it.for([
    ['nobody answers', undefined, 1, 'E_TRANSPORT_UNREACHABLE', 'that the backend runs'],
    ['it is no SignalDock server', 404, 4, 'E_NOT_FOUND_RESOURCE', 'Check the address'],
  ] as const)('says what is wrong when %s, and stores nothing', async ([, status, exit, code, hint]) => {
    const box = new Sandbox();
    const url = status
      ? await stub((_, response) => void response.writeHead(status).end('<p>no</p>'))
      : 'http://127.0.0.1:1';
    const { code: exitCode, lines } = await box.json(['agent', 'register', 'bob', '--api-url', url]);
    expect(lines).toMatchObject([{ ok: false, error: { code, hint: expect.stringContaining(hint) } }]);
    expect([exitCode, existsSync(box.stateDir)]).toEqual([exit, false]);
  });

  it('takes the registration back when the key cannot be stored', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    writeFileSync(join(box.root, 'keys'), 'a file where the folder of the machine key should be');
    const { code, lines } = await box.json(['agent', 'register', 'bob', '--api-url', url]);
    expect(lines).toMatchObject([
      {
        error: {
          code: 'E_MACHINE_KEY_UNAVAILABLE',
          message: expect.stringContaining('could not be stored'),
          hint: expect.stringContaining('was taken back: register again'),
        },
      },
    ]);
    expect(code).toBe(1);
    await expect(dock.getAgent('bob')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });

  it('says that the id is lost when the registration cannot be taken back either', async () => {
    const box = new Sandbox();
    const url = await stub((request, response) => {
      if (request.method === 'DELETE') return response.writeHead(403).end();
      response.end(JSON.stringify({ success: true, data: { agent: wireAgent('bob'), apiKey: KEY } }));
    });
    writeFileSync(join(box.root, 'keys'), 'a file where the folder of the machine key should be');
    const { lines } = await box.json(['agent', 'register', 'bob', '--api-url', url]);
    expect(lines).toMatchObject([
      {
        error: {
          code: 'E_MACHINE_KEY_UNAVAILABLE',
          hint: expect.stringContaining('Its id stays taken there, with a key that is lost'),
        },
      },
    ]);
  });

  it('allows plain http to another machine with --insecure, says so each time, and remembers it', async () => {
    const box = new Sandbox();
    const far = ['agent', 'register', 'bob', '--api-url', 'http://far.invalid:4000', '--api-key-stdin'];
    const registered = await box.cleo([...far, '--insecure'], { input: KEY });
    expect([registered.code, registered.stderr]).toEqual([0, expect.stringMatching(/^warning: --insecure/)]);
    const polled = await box.json(['agent', 'poll', 'bob']);
    expect(polled.lines).toMatchObject([{ error: { code: 'E_TRANSPORT_UNREACHABLE' } }]);
    const agent = await box.start(['bob']);
    expect(agent.stderr).toContain('warning: bob talks plain http to http://far.invalid:4000');
    expect(await agent.stop()).toBe(0);
  });
});

describe('agents of two machines', () => {
  it('talk: one answers, the other sends, waits, and opens conversations', async () => {
    const [here, there] = [new Sandbox(), new Sandbox()];
    const server = await here.server();
    await here.registerAt(server, 'bob');
    await there.registerAt(server, 'ada');
    here.installKernel();
    here.write('cleo.config.ts', configWith(answerHi));
    const bob = await here.start(['--poll-interval', '100']);
    expect(bob.events[0]).toMatchObject({ transport: 'http' });

    const send = ['agent', 'send', 'hello', '--agent', 'ada', '--to', 'bob', '--wait', '10'];
    const sent = await there.json(send);
    expect(sent.lines).toMatchObject([
      { ok: true, messageId: expect.any(String), conversationId: expect.any(String) },
      { event: 'reply', from: 'bob', content: 'hi ada' },
    ]);
    expect(await bob.stop()).toBe(0);
    expect(await Promise.all(['ada', 'bob'].map((id) => server.dock.peek(id)))).toEqual([[], []]);

    const created = await there.json(['conversation', 'create', 'ada', '--with', 'bob']);
    const { conversationId } = created.lines[0]!;
    expect(created.lines).toEqual([{ ok: true, conversationId, participants: ['ada', 'bob'] }]);
    const listed = await there.json(['conversation', 'list', 'ada']);
    expect(listed.lines).toMatchObject([{ conversationId }, { ok: true, count: 1 }]);
    await there.cleo(['agent', 'send', 'all of you', '--agent', 'ada', '--conv', String(conversationId)]);
    const polled = await here.json(['agent', 'poll', 'bob']);
    expect(polled.lines).toMatchObject([{ from: 'ada', content: 'all of you' }, { count: 1 }]);
  });

  it.for([
    ['agent send', ['agent', 'send', 'hello', '--to', 'bob'], 'cleo agent send --agent ada …'],
    ['conversation create', ['conversation', 'create', '--with', 'bob'], 'create ada --with bob'],
  ] as const)('are not known to you: %s says how to ask as one of them', async ([, args, hint]) => {
    const box = new Sandbox();
    await box.store({ ...BOB_AT_PORT_1, agentId: 'ada' });
    const { code, lines } = await box.json([...args]);
    expect(lines).toMatchObject([
      { error: { code: 'E_NOT_FOUND_AGENT', hint: expect.stringContaining(hint) } },
    ]);
    expect([code, existsSync(join(box.stateDir, 'signaldock.db'))]).toEqual([4, false]);
  });

  it('list each conversation once where their server knows no pages', async () => {
    const box = new Sandbox();
    const times = { createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z' };
    const conversations = Array.from({ length: 200 }, (_, n) => ({
      ...{ id: `c${n}`, participants: ['ada', 'bob'], visibility: 'private', messageCount: 0 },
      ...times,
    }));
    const url = await stub((_, response) => void response.end(JSON.stringify({ data: { conversations } })));
    await box.store({ agentId: 'bob', apiKey: KEY, apiBaseUrl: url });
    const { lines } = await box.json(['conversation', 'list', 'bob']);
    expect(lines.at(-1)).toEqual({ ok: true, count: 200 });
  });

  it('hear that a key is refused', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await dock.registerAgent({ agentId: 'bob' });
    await box.store({ agentId: 'bob', apiKey: KEY, apiBaseUrl: url });
    const { code, lines } = await box.json(['agent', 'send', 'hello', '--agent', 'bob', '--to', 'ada']);
    expect(lines).toMatchObject([
      { ok: false, error: { code: 'E_AUTH_INVALID_TOKEN', hint: expect.any(String) } },
    ]);
    expect(code).toBe(1);
  });

  it('are removed here only, and it says so', async () => {
    const box = new Sandbox();
    const server = await box.server();
    await box.registerAt(server, 'bob');
    const { code, stdout } = await box.cleo(['agent', 'remove', 'bob']);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`at ${server.url} it stays registered`)]);
    expect((await server.dock.getAgent('bob')).agentId).toBe('bob');
    expect((await box.json(['agent', 'list'])).lines).toEqual([{ ok: true, count: 0 }]);
  });
});

describe('one line of a configuration', () => {
  it('moves an agent from the embedded backend to a server, where it is registered at its start', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    box.installKernel();
    box.write('cleo.config.ts', configWith(answerHi));
    const local = await box.start([]);
    expect(local.events[0]).toMatchObject({ transport: 'local' });
    await local.event('done', { id: await box.sendAs('ada', 'bob', 'hello') });
    expect(await local.stop()).toBe(0);

    box.write('cleo.config.ts', configWith(answerHi, `agent: { id: 'bob', apiBaseUrl: '${url}' }`));
    const remote = await box.start(['--poll-interval', '100']);
    expect(remote.events[0]).toMatchObject({ transport: 'http' });
    expect(remote.stderr).toContain(`bob is new at ${url}: registered it there`);
    await dock.registerAgent({ agentId: 'ada' });
    const { id } = await dock.send('ada', 'bob', { content: 'hello' });
    expect(await remote.event('sent', { id })).toMatchObject({ content: 'hi ada' });
    expect(await remote.stop()).toBe(0);
  });

  it('moves it to a server of the same folder with its key and what waits for it', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const server = box.spawn(['signaldock', 'serve', '--port', '0', '--json']);
    const { url } = await server.event('listening');
    const id = await box.sendAs('ada', 'bob', 'hello');
    box.write('cleo.config.json', JSON.stringify({ agent: { id: 'bob', apiBaseUrl: url } }));
    const bob = await box.start([]);
    await bob.event('done', { id });
    expect([await bob.stop(), await server.stop()]).toEqual([0, 0]);
  });

  it.for([
    ['not by itself', undefined, 2, 'E_TRANSPORT_INSECURE'],
    ['where the transport allows it', ['http', { allowInsecure: true }], 1, 'E_TRANSPORT_UNREACHABLE'],
  ] as const)('registers it over plain http at another machine %s', async ([, transport, exit, error]) => {
    const box = new Sandbox();
    box.install('transport-http');
    const agent = { id: 'bob', apiBaseUrl: 'http://far.invalid:4000' };
    box.write('cleo.config.json', JSON.stringify({ agent, transport }));
    const { code, lines } = await box.json(['agent', 'start']);
    expect(lines).toMatchObject([{ ok: false, error: { code: error, hint: expect.any(String) } }]);
    expect([code, existsSync(box.stateDir)]).toEqual([exit, false]);
  });

  it('does not move it away from a server, whose key would be lost', async () => {
    const box = new Sandbox();
    await box.store(BOB_AT_PORT_1);
    box.write('cleo.config.json', '{ "agent": { "id": "bob", "apiBaseUrl": "local:" } }');
    const { code, lines } = await box.json(['agent', 'start']);
    expect(lines).toMatchObject([
      {
        error: {
          code: 'E_AGENT_MISMATCH',
          message: expect.stringContaining('at local:, its key here is for http://127.0.0.1:1'),
          hint: expect.stringContaining('cleo agent remove bob'),
        },
      },
    ]);
    expect(code).toBe(2);
  });
});

it('an agent on the embedded backend loads neither undici nor fastify', async () => {
  const box = new Sandbox();
  box.write('record.mjs', RECORD_LOADED);
  /** The files that Node loads until the agent has handled a message. */
  const loadedBy = async (agentId: string): Promise<string> => {
    const list = join(box.cwd, `${agentId}.txt`);
    const env = { LOADED: list, NODE_OPTIONS: `--import=${join(box.cwd, 'record.mjs')}` };
    const agent = await box.start([agentId], { env });
    await agent.event('done');
    expect(await agent.stop()).toBe(0);
    return readFileSync(list, 'utf8');
  };
  await box.register('bob');
  await box.sendAs('ada', 'bob', 'hello');
  const embedded = await loadedBy('bob');
  expect(embedded).toContain('/local-transport.ts\n');
  expect(embedded).not.toMatch(/[/@](undici|fastify)/);

  const server = await box.server();
  await box.registerAt(server, 'far');
  await server.dock.registerAgent({ agentId: 'ada' });
  await server.dock.send('ada', 'far', { content: 'hello' });
  expect(await loadedBy('far')).toContain('/undici/');
});

it('sending loads a transport, and not the kernel that runs plugins', async () => {
  const box = new Sandbox();
  box.write('record.mjs', RECORD_LOADED);
  await box.register('bob');
  const list = join(box.cwd, 'sent.txt');
  const env = { LOADED: list, NODE_OPTIONS: `--import=${join(box.cwd, 'record.mjs')}` };
  expect((await box.json(['agent', 'send', '--to', 'bob', 'hello'], { env })).code).toBe(0);
  const loaded = readFileSync(list, 'utf8');
  expect(loaded).toContain('/local-transport.ts\n');
  expect(loaded).not.toMatch(/\/tapable\/|\/kernel\/src\/kernel\.ts|plugin-poller/);
});

const RECORD_LOADED = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    appendFileSync(process.env.LOADED, url + '\\n');
    return next(url, context);
  },
});`;

/** A server that answers every request so; its address. */
async function stub(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function wireAgent(agentId: string) {
  const createdAt = '2026-01-01T00:00:00Z';
  return {
    ...{ id: '1', agentId, name: agentId, class: 'custom', privacyTier: 'public', isClaimed: false },
    ...{ capabilities: [], skills: [], status: 'online', createdAt, updatedAt: createdAt },
    stats: { messagesSent: 0, messagesReceived: 0, conversationCount: 0, friendCount: 0 },
  };
}
