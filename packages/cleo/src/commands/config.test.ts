import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configWith, type Line, Sandbox } from '../cleo.test.kit.ts';

describe('cleo config', () => {
  it('shows each value and where it came from', async () => {
    const box = new Sandbox();
    box.write('cleo.config.json', '{ "agent": "bob", "inbox": { "concurrency": 4 } }');
    const { lines } = await box.json(['config'], { env: { CLEO_DIR: join(box.root, 'elsewhere') } });
    const [{ values, ...rest }] = lines as [{ values: unknown[] }];
    expect(rest).toEqual({ ok: true, file: join(box.cwd, 'cleo.config.json') });
    expect(values).toEqual(
      expect.arrayContaining([
        { path: 'agent.id', value: 'bob', origin: 'file' },
        { path: 'inbox.concurrency', value: 4, origin: 'file' },
        { path: 'inbox.capacity', value: 1024, origin: 'default' },
        { path: 'stateDir', value: join(box.root, 'elsewhere'), origin: 'env', source: 'CLEO_DIR' },
        { path: 'dataDir', value: box.env.CLEO_DATA_DIR, origin: 'env', source: 'CLEO_DATA_DIR' },
        { path: 'plugins[2]', value: '@cleocode/plugin-poller', origin: 'default' },
        { path: 'plugins[2].intervalMs', value: 5_000, origin: 'default' },
      ]),
    );
  });

  it('ranks flags over the environment, the environment over the file, the file over defaults', async () => {
    const box = new Sandbox();
    await box.register('ada');
    box.write(
      'other.json',
      JSON.stringify({
        agent: { id: 'bob', apiBaseUrl: 'https://of.bob', apiKey: 'key-of-bob' },
        logLevel: 'warn',
        plugins: [['@cleocode/plugin-poller', { intervalMs: 1_000, groups: ['room'] }]],
      }),
    );
    box.install('plugin-poller');
    const env = {
      CLEO_CONFIG: 'other.json',
      CLEO_AGENT: 'ada',
      CLEO_LOG_LEVEL: 'debug',
      CLEO_POLL_INTERVAL: '200',
      CLEO_WEBHOOK_SECRET: 'hush',
    };
    const { lines } = await box.json(['config', '--log-level', 'error'], { env });
    const values = lines[0]!.values as { path: string }[];
    const of = (path: string) => values.find((one) => one.path === path);
    const file = join(box.cwd, 'other.json');
    expect(of('config')).toMatchObject({ value: file, origin: 'env', source: 'CLEO_CONFIG' });
    expect(of('logLevel')).toMatchObject({ value: 'error', origin: 'flag', source: '--log-level' });
    expect(of('output')).toMatchObject({ value: 'json', origin: 'flag', source: '--json' });
    expect(of('webhookSecret')).toMatchObject({ value: '***', origin: 'env' });
    // What the file says of bob is nothing about ada.
    expect(of('agent.id')).toMatchObject({ value: 'ada', origin: 'env', source: 'CLEO_AGENT' });
    expect(of('agent.apiBaseUrl')).toMatchObject({ value: 'local:', origin: 'store' });
    expect(of('agent.apiKey')).toMatchObject({ origin: 'store' });
    const path = values.find((one) => (one as Line).value === '@cleocode/plugin-poller')!.path;
    expect(of(path)).toMatchObject({ origin: 'file' });
    expect(of(`${path}.intervalMs`)).toMatchObject({
      value: 200,
      origin: 'env',
      source: 'CLEO_POLL_INTERVAL',
    });
    expect(of(`${path}.groups`)).toMatchObject({ value: ['room'], origin: 'file' });
    expect(of(`${path}.groupPollLimit`)).toMatchObject({ origin: 'default' });
  });

  it('says which variable names a file that is not there', async () => {
    const { code, lines } = await new Sandbox().json(['config'], { env: { CLEO_CONFIG: 'nope.ts' } });
    expect([code, lines[0]]).toMatchObject([
      2,
      { error: { code: 'E_CONFIG_NOT_FOUND', message: 'CLEO_CONFIG: nope.ts: there is no such file' } },
    ]);
  });

  it('is a table for a person, and says when there is no file', async () => {
    const { code, stdout } = await new Sandbox().cleo(['config']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^No configuration file here: these are the defaults\.\n/);
    expect(stdout).toMatch(/^logLevel +info +\(default\)$/m);
  });

  it('masks what the file prints', async () => {
    const box = new Sandbox();
    const says = 'console.log("with sk_live_0123456789abcdef"); console.warn("and", { a: 1 });';
    box.write('cleo.config.ts', `${says}\nexport default { agent: 'bob' };\n`);
    const { stdout, stderr } = await box.cleo(['config']);
    expect(stdout).toMatch(/^with sk_live_012…\n/);
    expect(stderr).toBe('and { a: 1 }\n');
    const { lines } = await box.json(['config']);
    expect(lines).toMatchObject([{ ok: true }]);
  });

  it('hides a key that stands in the file', async () => {
    const box = new Sandbox();
    const apiKey = `sk_live_${'0123456789abcdef'.repeat(4)}`;
    box.write('cleo.config.json', JSON.stringify({ agent: { id: 'bob', apiKey } }));
    const { stdout } = await box.cleo(['config']);
    expect(stdout).toMatch(/^agent\.apiKey +sk_live_012… +\(cleo\.config\.json\)$/m);
  });
});

describe('cleo plugins', () => {
  it('shows the resolved order with services and hooks, and starts nothing', async () => {
    const box = new Sandbox();
    box.installKernel();
    box.write(
      'cleo.config.ts',
      configWith('ctx.on("message", () => {}); ctx.on("init", () => { throw new Error(); });'),
    );
    const { code, lines } = await box.json(['plugins']);
    const [{ plugins, services }] = lines as [{ plugins: Record<string, unknown>[]; services: object[] }];
    expect(plugins.map(({ name }) => name)).toEqual([
      '@cleocode/store',
      '@cleocode/transport-local',
      '@cleocode/plugin-poller',
      '@cleocode/plugin-key-rotation',
      '@cleocode/plugin-heartbeat',
      'test-plugin',
    ]);
    expect(plugins[1]).toMatchObject({
      requires: ['agent'],
      provides: ['transport'],
      ms: { setup: expect.any(Number) },
    });
    expect(plugins.at(-1)).toMatchObject({ hooks: { message: 1, init: 1 } });
    expect(services).toContainEqual({ id: 'transport', provider: '@cleocode/transport-local' });
    expect(code).toBe(0);
    expect(existsSync(box.stateDir)).toBe(false);
  });

  it('is a numbered list for a person', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const { stdout } = await box.cleo(['plugins', 'bob']);
    expect(stdout).toMatch(
      /^bob does not run: .*\n\n1\. @cleocode\/store [\d.]+\n {3}provides: registry, journal, agent/,
    );
  });

  it('tells of the process that runs the agent, with its flags and what each plugin has cost', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob', '--file', 'inbox', '--no-heartbeat']);
    const id = await box.sendAs('ada', 'bob', 'hello');
    await agent.event('done', { id });
    const { lines } = await box.json(['plugins']);
    expect(lines[0]).toMatchObject({ agentId: 'bob', running: true, pid: agent.pid });
    const plugins = lines[0]!.plugins as Line[];
    expect(plugins.find(({ name }) => name === '@cleocode/plugin-deliver/file')).toMatchObject({
      messages: { count: 1, meanMs: expect.any(Number) },
      ms: { setup: expect.any(Number), init: expect.any(Number) },
    });
    const { stdout } = await box.cleo(['plugins', 'bob']);
    expect(stdout).toMatch(/^bob, as it runs \(process \d+\)\n/);
    expect(stdout).toMatch(/, 1 message of [\d.]+ ms\n/);
  });

  it('names the plugin whose options are wrong, with 2', async () => {
    const box = new Sandbox();
    box.installKernel();
    const config = configWith('', '').replace('plugins: [test()]', 'plugins: [test({ colour: "red" })]');
    box.write('cleo.config.ts', config);
    const { code, lines } = await box.json(['plugins']);
    expect(lines).toMatchObject([
      { ok: false, error: { code: 'E_PLUGIN_OPTIONS', message: expect.stringContaining('test-plugin') } },
    ]);
    expect(code).toBe(2);
  });
});
