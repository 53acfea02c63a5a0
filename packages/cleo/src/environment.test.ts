import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Sandbox } from './cleo.test.kit.ts';
import { metadataOfHandler, readEnvironment, readKeyFile, strayVariables } from './environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'cleo-environment-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('readEnvironment', () => {
  it('takes a variable that is empty for one that is not set', () => {
    expect(readEnvironment({ CLEO_AGENT: '', CLEO_LOG_LEVEL: '', CLEO_POLL_INTERVAL: '' })).toEqual({});
  });

  it.for([
    [{ CLEO_AGENT: '../ada' }, 'CLEO_AGENT: "../ada" is not an agent id'],
    [
      { CLEO_API_URL: 'api.example.com' },
      'CLEO_API_URL is no http(s) address without user name, password, ? and #',
    ],
    [
      { CLEO_API_URL: 'https://a:secret@b.example' },
      'CLEO_API_URL is no http(s) address without user name, password, ? and #',
    ],
    [{ CLEO_LOG_LEVEL: 'trace' }, 'CLEO_LOG_LEVEL is "trace"'],
    [{ CLEO_POLL_INTERVAL: '5s' }, 'CLEO_POLL_INTERVAL is "5s"'],
    [{ CLEO_POLL_INTERVAL: '0' }, 'CLEO_POLL_INTERVAL is "0"'],
  ] as const)('names the variable that cannot be used: %j', ([env, message]) => {
    expect(() => readEnvironment(env)).toThrow(
      expect.objectContaining({ code: 'E_USAGE', message, hint: expect.any(String) }),
    );
  });

  it('knows the variables of a handler from a slip', () => {
    const env = {
      CLEO_AGENT: 'a',
      CLEO_AGENT_ID: 'a',
      CLEO_ATTEMPT: '1',
      CLEO_HOPS: '1',
      CLEO_API_KEY: 'x',
      HOME: '/',
    };
    expect(strayVariables(env)).toEqual(['CLEO_API_KEY']);
  });
});

describe('metadataOfHandler', () => {
  it('counts on where a handler has begun', () => {
    expect(metadataOfHandler({ CLEO_HOPS: '3' })).toEqual({ cleo: { hops: 4 } });
    expect(metadataOfHandler({ CLEO_HOPS: 'three' })).toEqual({ cleo: { hops: 1 } });
    expect(metadataOfHandler({})).toBeUndefined();
  });
});

describe('readKeyFile', () => {
  it('reads the key alone, whoever may read the file', () => {
    const file = join(folder, 'key');
    writeFileSync(file, '\uFEFFsk_live_example\r\n');
    chmodSync(file, 0o444);
    expect(readKeyFile(file)).toBe('sk_live_example');
  });

  it.for([
    ['', 'is empty'],
    [' \n', 'is empty'],
    ['KEY=a b\n', 'holds more than a key, or none'],
    ['x'.repeat(20_000), 'is too large for a key'],
  ] as const)('refuses %j without showing it', ([content, message]) => {
    const file = join(folder, 'bad');
    writeFileSync(file, content);
    expect(() => readKeyFile(file)).toThrow(
      expect.objectContaining({ code: 'E_USAGE', message: `CLEO_API_KEY_FILE: ${file} ${message}` }),
    );
  });

  it('refuses what is no file', () => {
    expect(() => readKeyFile(folder)).toThrow(`CLEO_API_KEY_FILE: ${folder} is no file`);
    expect(() => readKeyFile(join(folder, 'none'))).toThrow(/^CLEO_API_KEY_FILE: ENOENT/);
  });
});

it('an agent needs no configuration file: the environment says who it is, where, and where its key lies', async () => {
  const box = new Sandbox();
  const { url, dock } = await box.server();
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  box.write('key', `${apiKey}\n`);
  const env = { CLEO_AGENT: 'bob', CLEO_API_URL: url, CLEO_API_KEY_FILE: 'key', CLEO_POLL_INTERVAL: '100' };
  const agent = await box.start([], { env });
  expect(agent.events[0]).toMatchObject({ agentId: 'bob', transport: 'http' });
  await dock.registerAgent({ agentId: 'ada' });
  const { id } = await dock.send('ada', 'bob', { content: 'hello' });
  await agent.event('done', { id });
  // Other commands are about the same agent.
  const { lines } = await box.json(['agent', 'status'], { env });
  expect(lines[0]).toMatchObject({ agentId: 'bob', running: true });
  expect(await agent.stop()).toBe(0);
});
