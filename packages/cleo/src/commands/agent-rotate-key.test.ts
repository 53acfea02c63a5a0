import { describe, expect, it } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

const NOW = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

describe('cleo agent rotate-key', () => {
  it.for(['local:', 'http'])('replaces the key of an agent of %s that does not run', async (backend) => {
    const box = new Sandbox();
    const at = backend === 'http' ? await box.server() : { url: 'local:', dock: await box.dock() };
    await box.registerAt(at, 'bob');
    const { lines: before } = await box.json(['agent', 'get', 'bob']);
    const { code, lines, stderr } = await box.json(['agent', 'rotate-key', 'bob']);
    expect([code, stderr]).toEqual([0, '']);
    expect(lines).toEqual([
      {
        ok: true,
        agentId: 'bob',
        apiKey: expect.stringMatching(/^sk_live_.{3}…$/),
        keyIssuedAt: NOW,
        previousKeyExpiresAt: NOW,
        running: false,
      },
    ]);
    expect(lines[0]!.apiKey).not.toBe((before[0]!.agent as { apiKey: string }).apiKey);
    expect((await box.json(['agent', 'poll', 'bob'])).lines).toEqual([{ ok: true, count: 0 }]);
  });

  it('has the process that runs the agent go on with the new key, its stream unbroken', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await box.registerAt({ url, dock }, 'bob');
    const agent = await box.start(['bob', '--stdout']);
    await agent.event('realtime', { state: 'live' });
    const { code, lines } = await box.json(['agent', 'rotate-key', 'bob', '--overlap', '0']);
    expect([code, lines]).toMatchObject([0, [{ running: true, switched: true }]]);
    expect(await agent.event('auth')).toEqual({ event: 'auth', agentId: 'bob', state: 'rotated' });
    await dock.registerAgent({ agentId: 'ada' });
    const { id } = await dock.send('ada', 'bob', { content: 'with the new key' });
    await agent.event('done', { id });
    expect((await box.json(['agent', 'status', 'bob'])).lines[0]).toMatchObject({
      healthy: true,
      key: { state: 'ok', issuedAt: lines[0]!.keyIssuedAt },
    });
    expect(await agent.stop()).toBe(0);
  });

  it('says how to store another key when the stored one is dead', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    await box.registerAt({ url, dock }, 'bob');
    await dock.rotateKey('bob', { overlapSeconds: 0 });
    const { code, lines } = await box.json(['agent', 'rotate-key', 'bob']);
    expect([code, lines]).toMatchObject([
      1,
      [
        {
          ok: false,
          error: {
            code: 'E_AUTH_INVALID_TOKEN',
            message: expect.stringContaining('refuses the stored key of "bob"'),
            hint: expect.stringContaining(`cleo agent register bob --api-url ${url} --api-key-stdin`),
          },
        },
      ],
    ]);
  });
});

describe('cleo agent register --import', () => {
  it('stores what the old file says, encrypted, and advises to replace the key', async () => {
    const box = new Sandbox();
    const { url, dock } = await box.server();
    const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
    const file = { agentId: 'bob', name: 'Bob', apiKey, apiBaseUrl: url, createdAt: '2026-01-02T03:04:05Z' };
    box.write('old.json', JSON.stringify(file));
    const { code, stdout } = await box.cleo(['agent', 'register', '--import', 'old.json']);
    expect(code).toBe(0);
    expect(stdout).toContain('cleo agent rotate-key bob\n    rm old.json\n');
    expect((await box.json(['agent', 'get', 'bob'])).lines[0]).toMatchObject({
      agent: { apiBaseUrl: url, displayName: 'Bob', keyIssuedAt: '2026-01-02T03:04:05.000Z' },
    });
    expect((await box.json(['agent', 'rotate-key', 'bob'])).code).toBe(0);
  });

  it.for([
    ['of another agent', ['eve'], 'E_USAGE', 2],
    ['beside another source of a key', ['--api-key-stdin'], 'E_USAGE', 2],
    ['over plain http to another machine', [], 'E_USAGE', 2],
  ] as const)('refuses a file %s, and stores nothing', async ([, more, code, exit]) => {
    const box = new Sandbox();
    const key = `sk_live_${'0'.repeat(64)}`;
    box.write('old.json', JSON.stringify({ agentId: 'bob', apiKey: key, apiBaseUrl: 'http://10.0.0.7' }));
    const result = await box.json(['agent', 'register', ...more, '--import', 'old.json']);
    expect([result.code, result.lines]).toMatchObject([exit, [{ ok: false, error: { code } }]]);
    expect((await box.json(['agent', 'list'])).lines).toEqual([{ ok: true, count: 0 }]);
  });
});
