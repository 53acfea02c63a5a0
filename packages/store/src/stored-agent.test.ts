import { inspect } from 'node:util';
import type { AgentCredential, AgentRegistryAPI, Credential } from '@cleocode/contracts';
import { createLogger, type LogRecord } from '@cleocode/kernel';
import { describe, expect, it } from 'vitest';
import { StoredAgent } from './stored-agent.ts';

const KEY = 'sk_live_0123456789abcdef0123456789abcdef';
const stored: AgentCredential = {
  agentId: 'bob',
  displayName: 'Bob',
  apiKey: KEY,
  apiBaseUrl: 'https://api.example.com',
  privacyTier: 'public',
  capabilities: [],
  skills: [],
  transportType: 'http',
  transportConfig: { sseEndpoint: '/stream' },
  isActive: true,
  createdAt: '2026-01-01T00:00:00Z',
  updatedAt: '2026-01-01T00:00:00Z',
};

function agentOver(get: AgentRegistryAPI['get']) {
  const logged: LogRecord[] = [];
  const agent = new StoredAgent(
    stored,
    { get },
    createLogger('debug', (record) => logged.push(record)),
  );
  const changes: Credential[] = [];
  agent.onChange((credential) => changes.push(credential));
  return { agent, changes, logged };
}

describe('the agent', () => {
  it('gives its credential with the key wrapped, and shows the key nowhere', () => {
    const { agent } = agentOver(async () => stored);
    expect(agent.id).toBe('bob');
    expect(agent.credential()).toMatchObject({
      agentId: 'bob',
      apiBaseUrl: 'https://api.example.com',
      transportType: 'http',
      transportConfig: { sseEndpoint: '/stream' },
    });
    expect(agent.credential().apiKey.reveal()).toBe(KEY);
    const shown = inspect([agent, agent.credential()], { depth: null, showHidden: true });
    expect(shown + JSON.stringify([agent, agent.credential()])).not.toContain(KEY.slice(12));
  });

  it('tells its listeners when the stored credential changed, and only then', async () => {
    let now = stored;
    const { agent, changes } = agentOver(async () => now);
    await agent.reload();
    now = { ...stored, displayName: 'Robert', lastUsedAt: '2026-01-02T00:00:00Z' };
    await agent.reload();
    expect(changes).toEqual([]);
    now = { ...stored, apiKey: 'new' };
    await agent.reload();
    await agent.reload();
    expect(changes.map(({ apiKey }) => apiKey.reveal())).toEqual(['new']);
    now = { ...now, transportConfig: {} };
    await agent.reload();
    expect(changes).toHaveLength(2);
    expect(agent.credential()).toBe(changes[1]);
  });

  it('lets one listener throw without harm to the others, and one leave', async () => {
    let now = stored;
    const { agent, changes, logged } = agentOver(async () => now);
    const heard: string[] = [];
    agent.onChange(() => {
      throw new Error('listener broke');
    });
    const leave = agent.onChange(() => heard.push('left too late'));
    agent.onChange(() => heard.push('last'));
    leave();
    now = { ...stored, apiKey: 'new' };
    await agent.reload();
    expect(changes).toHaveLength(1);
    expect(heard).toEqual(['last']);
    expect(logged).toMatchObject([{ level: 'error', fields: { error: 'listener broke' } }]);
  });

  it('reads the registry again when a backend refuses the key', async () => {
    let now = stored;
    const { agent, changes, logged } = agentOver(async () => now);
    now = { ...stored, apiKey: 'rotated elsewhere' };
    agent.reportUnauthorized(new Error('401'));
    await agent.reload();
    expect(changes.map(({ apiKey }) => apiKey.reveal())).toEqual(['rotated elsewhere']);
    expect(logged).toEqual([]);
  });

  it('says once that the stored key itself is refused, with the cure and without the key', async () => {
    const { agent, logged } = agentOver(async () => stored);
    for (let times = 0; times < 100; times++) agent.reportUnauthorized(new Error('401'));
    await agent.reload();
    expect(logged).toMatchObject([
      {
        level: 'error',
        message: 'the backend refuses the key of "bob"',
        fields: { error: '401', hint: expect.stringContaining('cleo agent register --id bob') },
      },
    ]);
    expect(JSON.stringify(logged)).not.toContain(KEY.slice(12));
  });

  it('keeps its last credential when the registry has none any more or cannot be read, and says each once', async () => {
    let get: AgentRegistryAPI['get'] = async () => null;
    const { agent, changes, logged } = agentOver((id) => get(id));
    await agent.reload();
    await agent.reload();
    get = async () => {
      throw new Error('no disk');
    };
    await agent.reload();
    await agent.reload();
    expect(agent.credential().apiKey.reveal()).toBe(KEY);
    expect(changes).toEqual([]);
    expect(logged.map(({ message }) => message)).toEqual([
      'agent "bob" was removed; its last key stays in use',
      'its last key stays in use: no disk',
    ]);
  });
});
