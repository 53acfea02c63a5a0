import { inspect } from 'node:util';
import {
  type AgentCredential,
  type AgentRegistryAPI,
  type AuthEvent,
  type Credential,
  type KeyRotation,
  Secret,
  WireError,
} from '@cleocode/contracts';
import { createLogger, type LogRecord } from '@cleocode/kernel';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type CredentialSource, StoredAgent } from './stored-agent.ts';

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

const REFUSED = new WireError('E_AUTH_INVALID_TOKEN', 'no such key');

function agentOver(
  get: AgentRegistryAPI['get'],
  source: Partial<CredentialSource> = {},
  credential = stored,
) {
  const logged: LogRecord[] = [];
  const agent = new StoredAgent(
    credential,
    { ...source, get },
    createLogger('debug', (record) => logged.push(record)),
  );
  const changes: Credential[] = [];
  agent.onChange((credential) => changes.push(credential));
  const events: AuthEvent[] = [];
  agent.onAuth((event) => events.push(event));
  return { agent, changes, events, logged };
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
        fields: { error: '401', hint: expect.stringContaining('cleo agent register bob') },
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

describe('a refused key', () => {
  it('is looked for once, however many requests were refused, and all hear of the new one', async () => {
    let now = stored;
    const get = vi.fn<AgentRegistryAPI['get']>(async () => now);
    const { agent } = agentOver(get);
    now = { ...stored, apiKey: 'rotated elsewhere' };
    const refused = agent.credential().apiKey;
    const found = await Promise.all(Array.from({ length: 100 }, () => agent.refresh(refused, REFUSED)));
    expect(new Set(found)).toEqual(new Set([true]));
    expect(get).toHaveBeenCalledTimes(1);
    expect(await agent.refresh(refused, REFUSED)).toBe(true);
    expect(get).toHaveBeenCalledTimes(1);
  });

  it('fails at once when there is no other, and is looked for again after 2 s, 6 s and then each 30 s', async () => {
    const clock = standingClock();
    const get = vi.fn<AgentRegistryAPI['get']>(async () => stored);
    const { agent, events } = agentOver(get);
    const refused = agent.credential().apiKey;
    const looksAt: number[] = [];
    get.mockImplementation(async () => {
      looksAt.push(clock.now);
      return stored;
    });
    for (; clock.now < 100_000; clock.now += 250) expect(await agent.refresh(refused, REFUSED)).toBe(false);
    expect(looksAt).toHaveLength(5);
    for (const [index, wait] of [2_000, 6_000, 30_000, 30_000].entries()) {
      const waited = looksAt[index + 1]! - looksAt[index]!;
      expect(waited).toBeGreaterThanOrEqual(wait);
      expect(waited).toBeLessThanOrEqual(wait * 1.1 + 250);
    }
    expect(events).toMatchObject([{ state: 'failed', problem: { code: 'auth_failed' } }]);
  });

  it('is shown with its cure, and when it may be tried again', async () => {
    standingClock();
    const { agent } = agentOver(async () => stored);
    expect(agent.auth()).toEqual({ state: 'ok' });
    await agent.refresh(agent.credential().apiKey, REFUSED);
    const { retryInMs, ...status } = agent.auth();
    expect(status).toEqual({
      state: 'failed',
      problem: {
        code: 'auth_failed',
        message: 'the backend refuses the key of "bob"',
        hint: 'Store one that it takes: cleo agent register bob --api-url https://api.example.com --api-key-stdin',
      },
    });
    expect(retryInMs).toBeGreaterThanOrEqual(2_000);
    expect(retryInMs).toBeLessThanOrEqual(2_200);
  });

  it('is shown with the cure of an embedded backend, which gives keys itself', async () => {
    const embedded = { ...stored, apiBaseUrl: 'local:' };
    const { agent } = agentOver(async () => embedded, {}, embedded);
    await agent.refresh(agent.credential().apiKey, REFUSED);
    expect(agent.auth().problem?.hint).toBe(
      'Give it another key: cleo agent stop bob, cleo agent remove bob, cleo agent register bob',
    );
  });

  it('requires another one to be stored when the answer of a rotation was lost', async () => {
    const { agent, events } = agentOver(async () => stored, {
      rotation: async () => ({ state: 'intent', begunAt: '2026-01-01T00:00:00Z' }),
    });
    await agent.refresh(agent.credential().apiKey, REFUSED);
    expect(agent.auth()).toMatchObject({ state: 'failed', problem: { code: 'requires_reauth' } });
    expect(events).toMatchObject([{ state: 'failed', problem: { code: 'requires_reauth' } }]);
  });

  it('is not given up while a rotation is under way: its answer may hold the next one', async () => {
    let now = stored;
    let rotation: KeyRotation | null = { state: 'intent', begunAt: new Date().toISOString() };
    const { agent, events } = agentOver(async () => now, { rotation: async () => rotation });
    const found = agent.refresh(agent.credential().apiKey, REFUSED);
    setTimeout(() => {
      now = { ...stored, apiKey: 'answered' };
      rotation = null;
    }, 200);
    expect(await found).toBe(true);
    expect(events).toEqual([{ state: 'rotated' }]);
  });

  it('recovers by itself when another key is stored', async () => {
    let now = stored;
    const { agent, events } = agentOver(async () => now);
    await agent.refresh(agent.credential().apiKey, REFUSED);
    now = { ...stored, apiKey: 'valid' };
    await agent.reload();
    expect(agent.auth()).toEqual({ state: 'ok' });
    expect(events.map(({ state }) => state)).toEqual(['failed', 'rotated', 'ok']);
  });

  it('recovers when the backend takes it again, and not when it takes another one', async () => {
    const { agent, events } = agentOver(async () => stored);
    const { apiKey } = agent.credential();
    agent.reportAccepted(apiKey);
    await agent.refresh(apiKey, REFUSED);
    agent.reportAccepted(new Secret('an older one'));
    expect(agent.auth().state).toBe('failed');
    agent.reportAccepted(apiKey);
    agent.reportAccepted(apiKey);
    expect(agent.auth()).toEqual({ state: 'ok' });
    expect(events.map(({ state }) => state)).toEqual(['failed', 'ok']);
  });

  it('is no key that may merely not do something, and none that the transport did not even try', async () => {
    const { agent, events } = agentOver(async () => stored);
    agent.reportUnauthorized(new WireError('E_AUTH_FORBIDDEN', 'not your conversation'));
    agent.reportUnauthorized(new WireError('E_AUTH_UNAUTHORIZED', 'later', { details: { local: true } }));
    await agent.reload();
    expect(agent.auth().state).toBe('ok');
    expect(events).toEqual([]);
  });

  it('makes way for the one beside it, which is told as a rotation', async () => {
    let now = stored;
    const useAnother = vi.fn(async () => {
      now = { ...stored, apiKey: 'pending' };
      return true;
    });
    const { agent, events } = agentOver(async () => now, { useAnother });
    expect(await agent.refresh(agent.credential().apiKey, REFUSED)).toBe(true);
    expect(useAnother).toHaveBeenCalledExactlyOnceWith('bob', new Set([KEY]));
    expect(agent.credential().apiKey.reveal()).toBe('pending');
    expect(events.map(({ state }) => state)).toEqual(['rotated']);
  });

  it('and one beside it that is refused too are each tried once in a round, and told as one failure', async () => {
    const clock = standingClock();
    let now = stored;
    const keys = [KEY, 'other'];
    const useAnother = async (_: string, refused: ReadonlySet<string>) => {
      const other = keys.find((key) => !refused.has(key));
      if (other !== undefined) now = { ...stored, apiKey: other };
      return other !== undefined;
    };
    const { agent, events } = agentOver(async () => now, { useAnother });
    let tries = 0;
    for (; clock.now < 100_000; clock.now += 250) {
      if (agent.auth().state === 'failed' && agent.auth().retryInMs! > 0) continue;
      tries += 1;
      await agent.refresh(agent.credential().apiKey, REFUSED);
    }
    // At 0, 2, 8, 38 and 68 seconds, both.
    expect(tries).toBe(10);
    expect(events.map(({ state }) => state)).toEqual(['rotated', 'failed']);
    agent.reportAccepted(agent.credential().apiKey);
    expect(agent.auth().state).toBe('ok');
  });

  it('fails as well when the store cannot be asked for another', async () => {
    const { agent, logged } = agentOver(async () => stored, {
      useAnother: async () => {
        throw new Error('no disk');
      },
    });
    expect(await agent.refresh(agent.credential().apiKey, REFUSED)).toBe(false);
    expect(agent.auth().state).toBe('failed');
    expect(logged.map(({ message }) => message)).toContain(
      'the store cannot be asked for another key: no disk',
    );
  });
});

it('the age of the key counts from its issue, and is never negative', async () => {
  let now = stored;
  const { agent } = agentOver(async () => now);
  expect(agent.auth().keyAgeMs).toBeUndefined();
  now = { ...stored, apiKey: 'new', keyIssuedAt: new Date(Date.now() - 60_000).toISOString() };
  await agent.reload();
  expect(agent.auth().keyAgeMs).toBeGreaterThanOrEqual(60_000);
  now = { ...stored, apiKey: 'newer', keyIssuedAt: '2999-01-01T00:00:00Z' };
  await agent.reload();
  expect(agent.auth()).toMatchObject({ keyIssuedAt: '2999-01-01T00:00:00Z', keyAgeMs: 0 });
});

/** The monotonic clock, which stands still until a test moves it. */
function standingClock(): { now: number } {
  const clock = { now: 0 };
  vi.spyOn(performance, 'now').mockImplementation(() => clock.now);
  onTestFinished(() => void vi.restoreAllMocks());
  return clock;
}
