import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InboxStats, IntakeHealth, Problem } from '@cleocode/contracts';
import { createKernel, definePlugin } from '@cleocode/kernel';
import type { HeartbeatStatus } from '@cleocode/plugin-heartbeat';
import { type Dock, openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { openStore } from '@cleocode/store';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { composePlugins } from './compose-plugins.ts';
import { type AgentHealth, agentHealth, type HealthSources, healthServices } from './health.ts';

const idle: InboxStats = {
  inFlight: 0,
  queued: 0,
  done: 0,
  failed: 0,
  dead: 0,
  dropped: 0,
  unacked: 0,
  problems: [],
};

describe('an agent of a server', () => {
  it('is healthy while its stream is live and it was heard', async () => {
    const agent = await resident();
    await vi.waitFor(() => {
      const { realtime, presence } = agent.health();
      expect([realtime.state, presence.state]).toEqual(['live', 'online']);
    }, 10_000);
    const { problems, key: _, ...rest } = agent.health();
    expect(problems).toEqual([]);
    expect(rest).toEqual({
      healthy: true,
      transport: 'http',
      realtime: { state: 'live', lastReceiveAgeMs: expect.any(Number) },
      inbox: { inFlight: 0, queued: 0, done: 0, failed: 0, dead: 0, dropped: 0, unacked: 0 },
      presence: { state: 'online', lastBeatAgeMs: expect.any(Number) },
    });
  });

  it('says what is wrong and what to do about it while the server is away', async () => {
    const agent = await resident();
    await vi.waitFor(() => expect(agent.health().realtime.state).toBe('live'), 10_000);
    await agent.closeServer();
    await vi.waitFor(() => {
      expect(agent.health().realtime.state).toBe('fallback');
      expect(agent.health().problems).not.toEqual([]);
    }, 10_000);
    for (const problem of agent.health().problems)
      expect(problem).toEqual({
        severity: expect.stringMatching(/^(error|warning)$/),
        code: expect.stringMatching(/^E_/),
        message: expect.any(String),
        hint: expect.any(String),
      });
  });

  it('is not healthy when nothing handles its messages', async () => {
    const agent = await resident({ handler: false });
    await agent.dock.registerAgent({ agentId: 'ada' });
    await agent.dock.send('ada', 'bob', { content: 'hello' });
    await vi.waitFor(() => expect(agent.health().healthy).toBe(false), 10_000);
    expect(agent.health().problems).toEqual([
      { severity: 'error', code: 'no_handler', message: expect.any(String), hint: expect.any(String) },
    ]);
  });
});

it('knows of an agent on the embedded backend that there is no stream, and when it last heard', async () => {
  const agent = await resident({ backend: 'local:' });
  await vi.waitFor(
    () => expect(agent.health().realtime.lastReceiveAgeMs).toEqual(expect.any(Number)),
    10_000,
  );
  expect(agent.health()).toMatchObject({ healthy: true, transport: 'local', realtime: { state: 'off' } });
});

describe('agentHealth', () => {
  const down: Problem = { code: 'E_DOWN', message: 'it is down', hint: 'Wait.' };

  it('takes a lost stream as a warning: polls bring the messages', () => {
    const lost = realtime({ problem: down });
    const { healthy, problems } = agentHealth({ ...sources(), realtime: lost });
    expect([healthy, problems]).toEqual([true, [{ severity: 'warning', ...down }]]);
  });

  it('takes polls that fail as a warning while a stream is live, else as an error', () => {
    const intake = { health: () => ({ budgetMs: 1, problem: down }) };
    const alone = agentHealth({ ...sources(), intake });
    expect([alone.healthy, alone.problems]).toEqual([false, [{ severity: 'error', ...down }]]);
    const live = { ...realtime({ problem: down }), state: 'live' as const };
    const beside = agentHealth({ ...sources(), intake, realtime: live });
    expect([beside.healthy, beside.problems]).toEqual([true, [{ severity: 'warning', ...down }]]);
  });

  it('tells whether the key works and how old it is, and that the agent is ill where it does not', () => {
    const refused = { code: 'auth_failed', message: 'it is refused', hint: 'Store another.' } as const;
    const auth = () => ({ state: 'failed' as const, problem: refused, keyAgeMs: 5 });
    const { healthy, key, problems } = agentHealth({ ...sources(), agent: { auth } });
    expect([healthy, key]).toEqual([false, { state: 'failed', ageMs: 5 }]);
    expect(problems).toEqual([{ severity: 'error', ...refused }]);
    expect(agentHealth(sources())).not.toHaveProperty('key');
  });

  it('tells each code once, by its worst, errors first', () => {
    const { healthy, problems } = agentHealth({
      ...sources({ problems: [] }),
      intake: { health: (): IntakeHealth => ({ budgetMs: 1, problem: down }) },
      realtime: realtime({ problem: { code: 'E_STREAM_ENDED', message: 'it ended' } }),
      presence: { status: () => beats({ problems: [{ ...down, message: 'nothing arrives' }] }) },
    });
    expect(healthy).toBe(false);
    expect(problems.map(({ severity, code, message }) => [severity, code, message])).toEqual([
      ['error', 'E_DOWN', 'nothing arrives'],
      ['warning', 'E_STREAM_ENDED', 'it ended'],
    ]);
  });

  it.for([
    ['unknown', 'error', false],
    ['online', 'warning', true],
  ] as const)('takes failing heartbeats, while others see it %s, as %s', ([state, severity, healthy]) => {
    const health = agentHealth({
      ...sources(),
      presence: { status: () => beats({ state, lastError: down }) },
    });
    expect(health).toMatchObject({ healthy, problems: [{ severity, code: 'E_DOWN' }] });
  });

  it('forgets why the stream was lost once it is live, and takes the younger proof', () => {
    const health = agentHealth({
      ...sources(),
      intake: { health: () => ({ budgetMs: 1, lastReceiveAgeMs: 70 }) },
      realtime: { ...realtime({ problem: down }), state: 'live', lastReceiveAgeMs: 900 },
    });
    expect(health.problems).toEqual([]);
    expect(health.realtime).toEqual({ state: 'live', lastReceiveAgeMs: 70 });
  });
});

interface ResidentOptions {
  backend?: 'local:' | 'http';
  handler?: boolean;
}

/** An agent that runs until the test is over. */
async function resident({ backend = 'http', handler = true }: ResidentOptions = {}): Promise<{
  dock: Dock;
  health(): AgentHealth;
  closeServer(): Promise<void>;
}> {
  const stateDir = mkdtempSync(join(tmpdir(), 'cleo-health-'));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  vi.stubEnv('CLEO_DATA_DIR', join(stateDir, 'keys'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const dock = await openDock({ file: join(stateDir, 'signaldock.db') });
  onTestFinished(() => dock.close());
  const server = await serve({ dock, port: 0 });
  onTestFinished(() => server.close());
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  const store = await openStore({ dir: stateDir });
  const apiBaseUrl = backend === 'http' ? server.url : backend;
  const credential = await store.registry.register({ agentId: 'bob', apiKey, apiBaseUrl });
  await store.close();

  let health!: () => AgentHealth;
  const probe = definePlugin({
    ...named('probe'),
    ...healthServices,
    setup(_ctx, _options, deps) {
      health = () => agentHealth(deps);
    },
  });
  const answer = definePlugin({ ...named('answer'), setup: (ctx) => void ctx.on('message', () => {}) });
  const plugins = [probe(), ...(handler ? [answer()] : [])];
  const kernel = createKernel({
    plugins: await composePlugins({ stateDir, credential, poller: { intervalMs: 100 }, plugins }),
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  return { dock, health, closeServer: () => server.close() };
}

it('warns of conversations that are set aside, and is healthy all the same', () => {
  const aside = {
    code: 'conversation_aside',
    message: 'talk is set aside',
    hint: 'resume it',
    conversations: 2,
  };
  const health = agentHealth(sources({ aside }));
  expect(health.healthy).toBe(true);
  expect(health.inbox.aside).toBe(2);
  expect(health.problems).toEqual([
    { severity: 'warning', code: 'conversation_aside', message: 'talk is set aside', hint: 'resume it' },
  ]);
});

function named(name: string) {
  return { name, version: '1.0.0', apiVersion: 1 } as const;
}

function sources(stats: Partial<InboxStats> = {}): HealthSources {
  return { agent: {}, transport: { name: 'test' }, inbox: { stats: () => ({ ...idle, ...stats }) } };
}

function realtime({ problem }: { problem: Problem }): NonNullable<HealthSources['realtime']> {
  return { state: 'fallback', lastReceiveAgeMs: undefined, problem, onChange: () => () => {} };
}

function beats(more: Partial<HeartbeatStatus>): HeartbeatStatus {
  return {
    running: true,
    state: 'online',
    consecutiveFailures: 0,
    problems: [],
    instanceId: 'i',
    ...more,
  };
}
