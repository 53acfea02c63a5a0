import type { CleoError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentPoller, type AgentPollerOptions } from './agent-poller.ts';
import { GroupTransport, PushingTransport, RecordingTransport } from './transports.test.kit.ts';
import { until } from './until.test.kit.ts';

let transport: RecordingTransport;
let errors: CleoError[];
let poller: AgentPoller;

beforeEach(() => {
  transport = new RecordingTransport();
  errors = [];
});

afterEach(async () => {
  await poller?.stop();
});

function make(options: Partial<AgentPollerOptions> = {}): AgentPoller {
  poller = new AgentPoller({
    agentId: 'bot',
    transport,
    pollIntervalMs: 10,
    onError: (error) => errors.push(error),
    ...options,
  });
  return poller;
}

/** A handler that keeps the contents it was given. */
function collecting(...pollers: AgentPoller[]): string[] {
  const contents: string[] = [];
  for (const one of pollers) one.onMessage(({ content }) => void contents.push(content));
  return contents;
}

const codes = () => errors.map(({ code }) => code);

describe('a message', () => {
  it('goes to every handler once and is acked after the last', async () => {
    const first = collecting(make());
    const second = collecting(poller);
    const { id } = transport.deliver({ content: 'hello' });
    poller.start();
    await until(() => transport.acked.length > 0);
    await until(() => transport.polls > 5);
    expect({ first, second, acked: transport.acked }).toEqual({
      first: ['hello'],
      second: ['hello'],
      acked: [id],
    });
    expect(poller.status()).toMatchObject({ running: true, seenCount: 1, pending: 0, failures: 0 });
    expect(poller.status().lastPollAgeMs).toBeLessThan(5_000);
  });

  it('of a backlog larger than any window is delivered, in order', async () => {
    const contents = collecting(make());
    for (let n = 0; n < 1_200; n++) transport.deliver({ content: String(n) });
    poller.start();
    await until(() => transport.acked.length === 1_200);
    expect(contents).toEqual(Array.from({ length: 1_200 }, (_, n) => String(n)));
  });
});

it('a message that is given up is reported with the cause, left unread, and passed by others', async () => {
  let calls = 0;
  const cause = new Error('broken');
  make({ maxAttempts: 3, retryDelayMs: 1 }).onMessage(({ content }) => {
    if (content !== 'poison') return;
    calls += 1;
    throw cause;
  });
  const poison = transport.deliver({ content: 'poison' });
  const good = transport.deliver({ content: 'good' });
  poller.start();
  await until(() => transport.acked.includes(good.id) && codes().includes('E_MESSAGE_GIVEN_UP'));
  await until(() => transport.polls > 10);
  expect(calls).toBe(3);
  expect(transport.acked).not.toContain(poison.id);
  expect(errors.at(-1)).toMatchObject({ code: 'E_MESSAGE_GIVEN_UP', cause, details: { attempt: 3 } });
});

describe('handlers', () => {
  it('may come late: until then messages stay unread, and it says so', async () => {
    make().start();
    transport.deliver({ content: 'waiting' });
    await until(() => errors.length > 0);
    expect({ codes: codes(), polls: transport.polls }).toEqual({ codes: ['E_POLLER_NO_HANDLER'], polls: 0 });
    const contents = collecting(poller);
    await until(() => contents.length > 0);
    expect(contents).toEqual(['waiting']);
  });

  it('added right after the start are in time', async () => {
    make().start();
    const contents = collecting(poller);
    transport.deliver({ content: 'hello' });
    await until(() => contents.length > 0);
    expect(errors).toEqual([]);
  });
});

describe('group messages', () => {
  it('all reach the handlers, or under "mentions" those that mention the agent; the others are acked', async () => {
    for (const message of [
      { content: 'direct' },
      { content: 'for all', groupId: 'g1', threadId: 'g' },
      { content: 'for @bot', groupId: 'g2', threadId: 'g' },
    ])
      transport.deliver(message);
    const mentions = collecting(make({ groupMessages: 'mentions' }));
    poller.start();
    await until(() => transport.acked.length === 3);
    expect(mentions.toSorted()).toEqual(['direct', 'for @bot']);
  });

  it('that mention the agent come from followed conversations, once, though they are also in its own list', async () => {
    const groups = new GroupTransport();
    transport = groups;
    groups.say('g', 'hello @bot', { groupId: 'x' });
    transport.deliver({ content: 'hello @bot', groupId: 'x', threadId: 'g' });
    groups.say('g', 'still there @all?', { groupId: 'y' });
    const contents = collecting(make({ groupConversationIds: ['g'] }));
    poller.start();
    await until(() => contents.length >= 2 && transport.polls > 5);
    expect(contents).toEqual(['hello @bot', 'still there @all?']);
  });

  it('continue where they were when the cursors are kept', async () => {
    const groups = new GroupTransport();
    transport = groups;
    const kept = new Map<string, number>();
    const cursors = {
      getCursor: (name: string) => kept.get(name),
      setCursor: (name: string, value: number) => void kept.set(name, value),
    };
    groups.say('g', '@bot 1');
    const first = collecting(make({ groupConversationIds: ['g'], cursors }));
    poller.start();
    await until(() => kept.get('group:g') === 1);
    await poller.stop();
    for (let n = 2; n < 40; n++) groups.say('g', `@bot ${n}`);
    const second = collecting(make({ groupConversationIds: ['g'], cursors }));
    poller.start();
    await until(() => second.length === 38);
    expect(first).toEqual(['@bot 1']);
    expect(second[0]).toBe('@bot 2');
  });
});

describe('the transport', () => {
  it('in trouble is reported once, and polled on', async () => {
    const contents = collecting(make());
    transport.failNext('poll', new Error('ECONNREFUSED'));
    transport.deliver({ content: 'hello' });
    poller.start();
    await until(() => contents.length === 1);
    expect(errors[0]).toMatchObject({ code: 'E_TRANSPORT_FAILED', message: 'poll: ECONNREFUSED' });
  });

  it('with native push delivers without waiting for a poll', async () => {
    const pushing = new PushingTransport();
    transport = pushing;
    const contents = collecting(make({ pollIntervalMs: 5_000 }));
    poller.start();
    await until(() => poller.status().pushLive);
    pushing.deliver({ content: 'pushed' });
    await until(() => contents.length === 1 && transport.acked.length === 1);
    expect(transport.polls).toBe(1);
  });
});

describe('start and stop', () => {
  it('stop ends the request in flight and resolves when nothing runs', async () => {
    collecting(make());
    transport.beforePoll = () => new Promise(() => {});
    poller.start();
    await until(() => transport.polled.length === 1);
    await poller.stop();
    expect(poller.status().running).toBe(false);
    expect(transport.polled[0]!.signal?.aborted).toBe(true);
  });

  it('both may be called twice, and start not during a stop', async () => {
    collecting(make());
    poller.start();
    poller.start();
    const stopping = [poller.stop(), poller.stop()];
    expect(() => poller.start()).toThrow(expect.objectContaining({ code: 'E_POLLER_STATE' }));
    await Promise.all(stopping);
    await poller.stop();
    expect(transport.mostConcurrent).toBeLessThanOrEqual(1);
  });

  it('need no more than an id and a transport, and say what is missing', () => {
    expect(() => new AgentPoller({ agentId: 'bot' } as never)).toThrow(
      expect.objectContaining({ code: 'E_POLLER_OPTIONS', message: 'AgentPoller: transport is missing' }),
    );
    expect(() => new AgentPoller({ transport } as never)).toThrow('agentId is missing');
    for (const pollIntervalMs of [0, -1, Number.NaN, 1e12])
      expect(() => new AgentPoller({ agentId: 'bot', transport, pollIntervalMs })).toThrow(
        expect.objectContaining({
          code: 'E_POLLER_OPTIONS',
          message: `AgentPoller: pollIntervalMs is ${pollIntervalMs}`,
        }),
      );
    expect(new AgentPoller({ agentId: 'bot', transport }).status()).toEqual({
      running: false,
      seenCount: 0,
      pending: 0,
      failures: 0,
      pushLive: false,
    });
  });
});
