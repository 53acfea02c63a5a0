import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { configWith, Sandbox } from '../cleo.test.kit.ts';

const you = userInfo().username;

describe('cleo agent send', () => {
  it('prints the id of the message, which then waits for the agent', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, stdout, stderr } = await box.cleo(['agent', 'send', 'hello', '--to', 'bob']);
    const [message] = await (await box.dock()).peek('bob');
    expect([code, stdout, stderr]).toEqual([0, `${message!.id}\n`, '']);
    expect(message).toMatchObject({ fromAgentId: you, content: 'hello' });
  });

  it('sends as you, who are no agent that could be started', async () => {
    const box = new Sandbox();
    await box.register('bob');
    await box.cleo(['agent', 'send', 'hello', '--to', 'bob']);
    expect((await box.json(['agent', 'list'])).lines).toMatchObject([{ agentId: 'bob' }, { count: 1 }]);
    const { code, lines } = await box.json(['agent', 'register', you]);
    expect(lines).toMatchObject([
      { ok: false, error: { code: 'E_CONFLICT_ALREADY_EXISTS', message: expect.stringContaining('is you') } },
    ]);
    expect(code).toBe(1);
  });

  it('sends under another name where an agent has yours', async () => {
    const box = new Sandbox();
    await box.register(you);
    await box.cleo(['agent', 'send', 'hello', '--to', you]);
    expect(await (await box.dock()).peek(you)).toMatchObject([{ fromAgentId: `${you}-operator` }]);
  });

  it('waits for the answer, shows it, and acknowledges that one only', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write('cleo.config.ts', configWith('ctx.on("message", (d) => d.reply("hi " + d.message.from));'));
    const agent = await box.start([]);
    await box.cleo(['agent', 'send', 'first', '--to', 'bob']);
    await agent.event('sent');
    const { code, stdout } = await box.cleo(['agent', 'send', 'second', '--to', 'bob', '--wait', '10']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^[0-9a-f-]{36}\n← bob: hi ${you}\n$`));
    const waiting = await box.json(['agent', 'poll', you]);
    expect(waiting.lines).toMatchObject([
      { from: 'bob', content: `hi ${you}` },
      { ok: true, count: 1 },
    ]);
    expect(await agent.stop()).toBe(0);
  });

  it('says so when no answer came in time', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, lines } = await box.json(['agent', 'send', 'hello', '--to', 'bob', '--wait', '0.2']);
    expect(lines).toMatchObject([{ ok: true }, { event: 'no-reply', waitedMs: 200 }]);
    expect(code).toBe(0);
  });

  it('sends what stands on stdin, as another agent, as an answer', async () => {
    const box = new Sandbox();
    await box.register('ada', 'bob');
    const question = await box.sendAs('bob', 'ada', 'a question');
    const args = ['agent', 'send', '-', '--to', 'bob', '--agent', 'ada', '--reply-to', question];
    expect((await box.cleo(args, { input: 'one\ntwo\n' })).code).toBe(0);
    expect(await (await box.dock()).peek('bob')).toMatchObject([
      { fromAgentId: 'ada', content: 'one\ntwo\n', replyTo: question },
    ]);
  });

  it.for([
    ['nobody to send to', ['hello'], 2, 'E_USAGE'],
    ['an agent and a conversation', ['hello', '--to', 'bob', '--conv', 'x'], 2, 'E_USAGE'],
    ['an agent that is not there', ['hello', '--to', 'nobody'], 4, 'E_NOT_FOUND_AGENT'],
    ['a conversation that is not there', ['hello', '--conv', 'none'], 4, 'E_NOT_FOUND_CONVERSATION'],
    ['a sender that is not there', ['hello', '--to', 'bob', '--agent', 'nobody'], 4, 'E_NOT_FOUND_AGENT'],
    ['a path as the recipient', ['hello', '--to', '../bob'], 2, 'E_AGENT_ID_INVALID'],
    ['a slash in the recipient', ['hello', '--to', 'a/b'], 2, 'E_AGENT_ID_INVALID'],
    ['nothing to send', ['', '--to', 'bob'], 2, 'E_USAGE'],
    ['no number of seconds', ['hello', '--to', 'bob', '--wait', 'long'], 2, 'E_USAGE'],
  ] as const)('refuses %s', async ([, args, code, error]) => {
    const box = new Sandbox();
    await box.register('bob');
    const answer = await box.json(['agent', 'send', ...args]);
    expect(answer.lines).toMatchObject([{ ok: false, error: { code: error, message: expect.any(String) } }]);
    expect(answer.code).toBe(code);
    expect(await (await box.dock()).peek('bob')).toEqual([]);
  });

  it('refuses 2 MB with 2', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, lines } = await box.json(['agent', 'send', '-', '--to', 'bob'], {
      input: 'x'.repeat(2_000_000),
    });
    expect(lines).toMatchObject([
      { ok: false, error: { code: 'E_USAGE', message: expect.stringContaining('1048576') } },
    ]);
    expect(code).toBe(2);
  });

  it('makes nothing where nobody is registered', async () => {
    const box = new Sandbox();
    const { code, stderr } = await box.cleo(['agent', 'send', 'hello', '--to', 'bob']);
    expect([code, stderr]).toEqual([4, expect.stringContaining('cleo agent register bob')]);
    expect(existsSync(box.stateDir)).toBe(false);
  });
});

describe('cleo agent poll', () => {
  it('shows what waits, oldest first, and changes nothing', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const first = await box.sendAs('ada', 'bob', 'one');
    await box.sendAs('ada', 'bob', 'two');
    const { stdout } = await box.cleo(['agent', 'poll']);
    expect(stdout).toMatch(/^\S+ {2}\S+\n {2}ada: one\n\S+ {2}\S+\n {2}ada: two\n$/);
    const limited = await box.json(['agent', 'poll', 'bob', '--limit', '1']);
    expect(limited.lines).toMatchObject([
      { id: first, from: 'ada', content: 'one' },
      { ok: true, count: 1 },
    ]);
    expect(await (await box.dock()).peek('bob')).toHaveLength(2);
  });

  it('knows an agent without messages from one that is not there', async () => {
    const box = new Sandbox();
    await box.register('bob');
    expect((await box.cleo(['agent', 'poll', 'bob'])).stdout).toBe('Nothing waits for bob.\n');
    expect((await box.cleo(['agent', 'poll', 'ada'])).code).toBe(4);
  });
});

describe('cleo conversation', () => {
  it('opens a group, lists it, and everyone in it gets what is sent there', async () => {
    const box = new Sandbox();
    await box.register('ada', 'bob');
    const { lines } = await box.json(['conversation', 'create', '--with', 'ada,bob']);
    const { conversationId } = lines[0]!;
    expect(lines).toEqual([{ ok: true, conversationId, participants: ['ada', 'bob', you].toSorted() }]);
    expect((await box.cleo(['agent', 'send', 'hello all', '--conv', String(conversationId)])).code).toBe(0);
    const dock = await box.dock();
    for (const id of ['ada', 'bob'])
      expect(await dock.peek(id)).toMatchObject([{ content: 'hello all', conversationId }]);
    const listed = await box.json(['conversation', 'list', 'ada']);
    expect(listed.lines).toMatchObject([
      { conversationId, messageCount: 1 },
      { ok: true, count: 1 },
    ]);
  });

  it('names who is not registered, with 4', async () => {
    const box = new Sandbox();
    await box.register('ada');
    const { code, lines } = await box.json(['conversation', 'create', 'ada', '--with', 'nobody']);
    expect(lines).toMatchObject([
      { error: { code: 'E_NOT_FOUND_AGENT', message: 'Agent not found: nobody' } },
    ]);
    expect(code).toBe(4);
  });

  it('lists nothing, and makes nothing, in a new folder', async () => {
    const box = new Sandbox();
    expect((await box.json(['conversation', 'list'])).lines).toEqual([{ ok: true, count: 0 }]);
    expect(existsSync(box.stateDir)).toBe(false);
  });
});
