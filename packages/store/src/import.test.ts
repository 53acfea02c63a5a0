import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { importCredentials, readCredentialFile } from './import.ts';
import { refusal, temporaryFolders, temporaryStore } from './temporary.test.util.ts';

const KEY = `sk_live_${'a1b2c3d4'.repeat(8)}`;
const PROJECT = {
  agentId: 'bob',
  name: 'Bob',
  projectName: 'demo',
  apiKey: KEY,
  apiBaseUrl: 'https://api.example.com',
  pollEndpoint: '/messages/poll/new',
  sseEndpoint: '/messages/stream',
  createdAt: '2026-01-02T03:04:05Z',
};
const USER = { agent_id: 'bob', api_key: KEY, api_base: 'https://api.example.com', platform: 'stdout' };

/** A file with this content, or this as JSON. */
function fileWith(content: unknown, name = 'signaldock-bob.json'): string {
  const file = join(temporaryFolders().dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

describe('a credential file of the replaced system', () => {
  it('of a project is read with its name, its stream and the age of its key', () => {
    expect(readCredentialFile(fileWith(PROJECT))).toEqual({
      agentId: 'bob',
      displayName: 'Bob',
      apiKey: KEY,
      apiBaseUrl: 'https://api.example.com',
      transportConfig: { sseEndpoint: '/messages/stream' },
      createdAt: '2026-01-02T03:04:05.000Z',
      keyIssuedAt: '2026-01-02T03:04:05.000Z',
    });
  });

  it('of a user is read, its members in snake case', () => {
    const expected = { agentId: 'bob', apiKey: KEY, apiBaseUrl: 'https://api.example.com' };
    expect(readCredentialFile(fileWith(USER))).toEqual(expected);
  });

  it('without an address belongs to the hosted service', () => {
    const { apiBaseUrl: _, ...rest } = PROJECT;
    expect(readCredentialFile(fileWith(rest)).apiBaseUrl).toBe('https://api.signaldock.io');
  });

  it.each(['tomorrow', '2999-01-01T00:00:00Z'])(
    'that says it was made %s says nothing about age',
    (createdAt) => {
      const read = readCredentialFile(fileWith({ ...PROJECT, createdAt }));
      expect([read.createdAt, read.keyIssuedAt]).toEqual([undefined, undefined]);
    },
  );

  it.each([
    ['is not there', undefined, 'ENOENT'],
    ['is no JSON', `{"apiKey":"${KEY}"`, 'it is not JSON'],
    ['is a list', [], 'expected object'],
    ['lacks the key', { ...PROJECT, apiKey: undefined }, 'apiKey'],
    ['holds a key in two lines', { ...PROJECT, apiKey: `${KEY}\n${KEY}` }, 'apiKey'],
    ['names no agent id', { ...USER, agent_id: `../${KEY}` }, 'agent_id'],
    ['is far too large', ' '.repeat(1_100_000), 'larger than'],
  ])('that %s is refused by name, and never shown', async (_, content, why) => {
    const file = content === undefined ? join(temporaryFolders().dir, 'none.json') : fileWith(content);
    const error = await refusal((async () => readCredentialFile(file))());
    expect(error).toMatchObject({
      code: 'E_IMPORT_FILE',
      hint: expect.stringContaining('signaldock-<id>.json'),
    });
    expect(error.message).toContain(file);
    expect(error.message).toContain(why);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(KEY.slice(0, 12));
  });

  it('with an address that no key may go to is refused', async () => {
    const read = (apiBaseUrl: string) =>
      refusal((async () => readCredentialFile(fileWith({ ...PROJECT, apiBaseUrl })))());
    expect(await read('ftp://example.com')).toMatchObject({ code: 'E_TRANSPORT_ADDRESS' });
    expect(await read('https://u:p@example.com')).toMatchObject({ code: 'E_TRANSPORT_INSECURE' });
  });
});

describe('importCredentials', () => {
  it('registers the agent with its key, at its backend', async () => {
    const { registry } = await temporaryStore();
    await importCredentials(registry, fileWith(PROJECT));
    expect(await registry.get('bob')).toMatchObject({
      apiKey: KEY,
      apiBaseUrl: 'https://api.example.com',
      transportType: 'http',
      keyIssuedAt: '2026-01-02T03:04:05.000Z',
    });
  });

  it('changes nothing where the same key is registered already', async () => {
    const { registry } = await temporaryStore();
    const before = await registry.register({ agentId: 'bob', apiKey: KEY, displayName: 'Robert' });
    expect(await importCredentials(registry, fileWith(PROJECT))).toEqual(before);
    expect(await registry.get('bob')).toEqual(before);
  });

  it('gives no other key up unless it is told to', async () => {
    const { registry } = await temporaryStore();
    await registry.register({ agentId: 'bob', apiKey: 'another' });
    expect(await refusal(importCredentials(registry, fileWith(PROJECT)))).toMatchObject({
      code: 'E_CONFLICT_ALREADY_EXISTS',
      message: 'agent "bob" is registered already, with another key',
      hint: expect.stringContaining('replace'),
    });
    expect((await registry.get('bob'))?.apiKey).toBe('another');
    await importCredentials(registry, fileWith(PROJECT), { replace: true });
    expect((await registry.get('bob'))?.apiKey).toBe(KEY);
  });
});
