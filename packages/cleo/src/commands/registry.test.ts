import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

describe('cleo agent register', () => {
  it('registers on the embedded backend, without a folder or an init before it', async () => {
    const box = new Sandbox();
    const { code, stdout, stderr } = await box.cleo(['agent', 'register', 'bob']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `bob is registered (embedded backend, state in ${box.stateDir}).\n  Run it: cleo agent start bob\n`,
    );
    expect((await (await box.dock()).getAgent('bob')).agentId).toBe('bob');
    const { lines } = await box.json(['agent', 'get', 'bob']);
    expect(lines[0]).toMatchObject({
      ok: true,
      agent: {
        agentId: 'bob',
        apiBaseUrl: 'local:',
        apiKey: expect.stringMatching(/^sk_live_.{3}…$/),
        pid: null,
      },
    });
  });

  it('takes the id as --id, and a name', async () => {
    const box = new Sandbox();
    const { lines } = await box.json(['agent', 'register', '--id', 'bob', '--name', 'Bob the agent']);
    expect(lines).toEqual([
      {
        ok: true,
        agentId: 'bob',
        apiBaseUrl: 'local:',
        apiKey: expect.stringContaining('…'),
        stateDir: box.stateDir,
      },
    ]);
    expect((await box.json(['agent', 'list'])).lines).toMatchObject([
      { displayName: 'Bob the agent' },
      { count: 1 },
    ]);
  });

  it('refuses an agent that is registered already', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { code, lines } = await box.json(['agent', 'register', 'bob']);
    expect(lines).toMatchObject([{ ok: false, error: { code: 'E_CONFLICT_ALREADY_EXISTS' } }]);
    expect(code).toBe(1);
  });

  it('gives an agent that the backend knows a new key when its own is lost', async () => {
    const box = new Sandbox();
    await (await box.dock()).registerAgent({ agentId: 'bob' });
    expect((await box.json(['agent', 'register', 'bob'])).code).toBe(0);
    const agent = await box.start(['bob']);
    expect(await agent.stop()).toBe(0);
  });

  it('stores a key from stdin, encrypted, and shows only its beginning', async () => {
    const box = new Sandbox();
    const args = ['agent', 'register', 'bob', '--api-url', 'https://api.example.com', '--api-key-stdin'];
    const { code, lines, stderr } = await box.json(args, { input: `${KEY}\n` });
    expect([code, stderr]).toEqual([0, '']);
    expect(lines[0]).toMatchObject({ apiBaseUrl: 'https://api.example.com', apiKey: 'sk_live_012…' });
    expect(readFileSync(join(box.stateDir, 'state.db')).includes(KEY)).toBe(false);
  });

  it('warns of a key on the command line', async () => {
    const args = ['agent', 'register', 'bob', '--api-url', 'http://127.0.0.1:4000', '--api-key', KEY];
    const { code, stderr } = await new Sandbox().cleo(args);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^warning: .*other users.*--api-key-stdin/)]);
  });

  it.for([
    ['no id', [], 'E_USAGE'],
    ['two ids', ['bob', '--id', 'ada'], 'E_USAGE'],
    ['a path as the id', ['../bob'], 'E_AGENT_ID_INVALID'],
    ['a key without its backend', ['bob', '--api-key', KEY], 'E_USAGE'],
    ['two keys', ['bob', '--api-url', 'https://a.example', '--api-key', KEY, '--api-key-stdin'], 'E_USAGE'],
    ['a key with a space', ['bob', '--api-url', 'https://a.example', '--api-key', 'a b'], 'E_USAGE'],
    ['no address', ['bob', '--api-url', 'a.example', '--api-key', KEY], 'E_USAGE'],
    ['a key in the clear', ['bob', '--api-url', 'http://a.example', '--api-key', KEY], 'E_USAGE'],
    ['registering in the clear', ['bob', '--api-url', 'http://a.example'], 'E_USAGE'],
    ['more than an address', ['bob', '--api-url', 'https://a.example?token=abc'], 'E_USAGE'],
    ['--insecure without an address', ['bob', '--insecure'], 'E_USAGE'],
    [
      '--keep-key with a key',
      ['bob', '--api-url', 'https://a.example', '--keep-key', '--api-key', KEY],
      'E_USAGE',
    ],
    ['a password in the address', ['bob', '--api-url', 'https://u:p@a.example', '--api-key', KEY], 'E_USAGE'],
  ] as const)('refuses %s with 2 and leaves nothing behind', async ([, args, error]) => {
    const box = new Sandbox();
    const { code, lines } = await box.json(['agent', 'register', ...args]);
    expect(lines).toMatchObject([{ ok: false, error: { code: error, hint: expect.any(String) } }]);
    expect(code).toBe(2);
    expect(existsSync(box.stateDir)).toBe(false);
  });
});

describe('cleo agent list and get', () => {
  it('make no folder, and say what to do where there is none', async () => {
    const box = new Sandbox();
    const [list, get] = await Promise.all([box.cleo(['agent', 'list']), box.cleo(['agent', 'get', 'bob'])]);
    expect(list.stdout).toBe(
      `No agent is registered in ${box.stateDir}.\n  Register one: cleo agent register my-agent\n`,
    );
    expect([list.code, get.code]).toEqual([0, 4]);
    expect(get.stderr).toContain('Register it: cleo agent register bob');
    expect(existsSync(box.stateDir)).toBe(false);
  });

  it('put back what a lost database held, whichever comes first', async () => {
    const box = new Sandbox();
    await box.register('bob');
    box.write('cleo.config.json', '{ "agent": "bob" }');
    const lose = () => rmSync(join(box.stateDir, 'state.db'));
    lose();
    const doctor = await box.json(['doctor', 'bob']);
    expect([doctor.code, doctor.lines]).toMatchObject([
      0,
      expect.arrayContaining([
        expect.objectContaining({
          check: 'state.db',
          status: 'warning',
          message: expect.stringContaining('is gone'),
        }),
      ]),
    ]);
    const { code, lines, stderr } = await box.json(['agent', 'get', 'bob']);
    expect([code, lines]).toMatchObject([0, [{ agent: { agentId: 'bob' } }]]);
    expect(stderr).toMatch(
      /^warning E_CREDENTIALS_RESTORED: .*"bob" was lost or damaged, and was put back\n {2}→ /,
    );
    lose();
    const agent = await box.start([]);
    expect(await agent.stop()).toBe(0);
  });

  it('find the state folder from a folder below it', async () => {
    const box = new Sandbox();
    await box.register('bob');
    box.write('deep/er/file', '');
    const { lines } = await box.json(['agent', 'list'], { cwd: join(box.cwd, 'deep/er') });
    expect(lines).toMatchObject([{ agentId: 'bob' }, { ok: true, count: 1 }]);
  });

  it('say which agents there are when one is not', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { stderr } = await box.cleo(['agent', 'get', 'bop']);
    expect(stderr).toContain('Registered are: bob.');
  });
});

describe('cleo agent remove', () => {
  it('forgets the agent here and at the embedded backend', async () => {
    const box = new Sandbox();
    await box.register('bob');
    expect(await box.cleo(['agent', 'remove', 'bob'])).toEqual({
      code: 0,
      stdout: 'bob is removed.\n',
      stderr: '',
    });
    await expect((await box.dock()).getAgent('bob')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
    expect((await box.cleo(['agent', 'remove', 'bob'])).code).toBe(4);
  });

  it('keeps the messages that wait: registered again, the agent gets them', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const id = await box.sendAs('ada', 'bob', 'hello');
    expect((await box.json(['agent', 'remove', 'bob'])).lines).toEqual([
      { ok: true, agentId: 'bob', unreadKept: 1 },
    ]);
    await box.cleo(['agent', 'register', 'bob']);
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toMatchObject([
      { id, content: 'hello' },
      { count: 1 },
    ]);
  });

  it('forgets an agent whose machine key is lost, and registered again it has a new key and its messages', async () => {
    const box = new Sandbox();
    await box.register('ann');
    await box.register('bob');
    await box.sendAs('carl', 'bob', 'hello');
    rmSync(box.env.CLEO_DATA_DIR!, { recursive: true });
    expect((await box.json(['agent', 'register', 'bob'])).lines).toMatchObject([
      {
        error: {
          code: 'E_MACHINE_KEY_MISSING',
          hint: expect.stringContaining('remove the agents (cleo agent remove ID)'),
        },
      },
    ]);
    for (const id of ['ann', 'bob']) {
      const { code, lines } = await box.json(['agent', 'remove', id]);
      expect([code, lines]).toEqual([0, [{ ok: true, agentId: id, readable: false }]]);
    }
    expect((await box.json(['agent', 'register', 'bob'])).code).toBe(0);
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toMatchObject([
      { content: 'hello' },
      { count: 1 },
    ]);
  });

  it('refuses with 5 while the agent runs', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob']);
    const { code, lines } = await box.json(['agent', 'remove', 'bob']);
    expect(lines).toMatchObject([{ ok: false, error: { code: 'E_ALREADY_RUNNING' } }]);
    expect(code).toBe(5);
    expect((await box.json(['agent', 'get', 'bob'])).lines[0]).toMatchObject({ agent: { pid: agent.pid } });
    expect(await agent.stop()).toBe(0);
  });
});
