import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Agent } from './agent.ts';
import { isKeyRefused, refreshCredential } from './auth.ts';
import { CleoError } from './errors.ts';
import { Secret } from './secret.ts';

/** An agent as it was written for the first version of the interface; `more` is what came later. */
function agentWith(apiKey: string, more: Partial<Agent> = {}) {
  const current = { apiKey };
  const agent: Agent = {
    id: 'bob',
    credential: () => ({
      agentId: 'bob',
      apiKey: new Secret(current.apiKey),
      apiBaseUrl: 'local:',
      transportType: 'local',
      transportConfig: {},
    }),
    onChange: () => () => {},
    reportUnauthorized: vi.fn(),
    ...more,
  };
  return { agent, current };
}

const refusal = new CleoError('E_AUTH_INVALID_TOKEN', 'no such key');

it('a key is refused by what says that it is unknown or expired, not by what says that it may not do this', () => {
  const codes = ['E_AUTH_UNAUTHORIZED', 'E_AUTH_INVALID_TOKEN', 'E_AUTH_EXPIRED_TOKEN'];
  for (const code of codes) expect(isKeyRefused(new CleoError(code, 'x'))).toBe(true);
  const others = ['E_AUTH_FORBIDDEN', 'E_AUTH_INSUFFICIENT_PERMISSIONS', 'E_RATE_LIMIT'];
  for (const code of others) expect(isKeyRefused(new CleoError(code, 'x'))).toBe(false);
  expect(isKeyRefused(new Error('E_AUTH_INVALID_TOKEN'))).toBe(false);
});

describe('refreshCredential', () => {
  it('is true at once when the key was replaced meanwhile, and reports nothing', async () => {
    const { agent } = agentWith('new', { refresh: vi.fn() });
    expect(await refreshCredential(agent, new Secret('old'), refusal)).toBe(true);
    expect(agent.refresh).not.toHaveBeenCalled();
    expect(agent.reportUnauthorized).not.toHaveBeenCalled();
  });

  it('asks the holder, and answers what that has found', async () => {
    for (const found of [true, false]) {
      const refresh = vi.fn(async () => found);
      const { agent } = agentWith('old', { refresh });
      const refused = new Secret('old');
      expect(await refreshCredential(agent, refused, refusal)).toBe(found);
      expect(refresh.mock.calls).toEqual([[refused, refusal]]);
      expect(agent.reportUnauthorized).not.toHaveBeenCalled();
    }
  });

  it('reports to a holder that cannot be asked, and sees what that changes at once', async () => {
    const { agent, current } = agentWith('old');
    expect(await refreshCredential(agent, new Secret('old'), refusal)).toBe(false);
    expect(agent.reportUnauthorized).toHaveBeenCalledExactlyOnceWith(refusal);
    vi.mocked(agent.reportUnauthorized).mockImplementation(() => {
      current.apiKey = 'new';
    });
    expect(await refreshCredential(agent, new Secret('old'), refusal)).toBe(true);
  });

  it('is false when the holder does not answer', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { agent } = agentWith('old', { refresh: () => new Promise(() => {}) });
    const found = refreshCredential(agent, new Secret('old'), refusal);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await found).toBe(false);
  });

  it('is false when the holder throws', async () => {
    const { agent } = agentWith('old', {
      credential: () => {
        throw new Error('closed');
      },
    });
    expect(await refreshCredential(agent, new Secret('old'), refusal)).toBe(false);
  });
});
