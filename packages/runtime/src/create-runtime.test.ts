import { PermanentError } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { describe, expect, it, vi } from 'vitest';
import { MapRegistry, recorder, SevenTransport, started, until } from './create-runtime.test.kit.ts';
import { createRuntime, type RuntimeConfig } from './index.ts';

describe('messages', () => {
  it('reach every handler, in order, and are acked when all are done', async () => {
    const { handle, transport } = await started();
    const seen: string[] = [];
    const { promise: slow, resolve } = Promise.withResolvers<void>();
    handle.poller.onMessage((message) => void seen.push(`a ${message.content}`));
    handle.poller.onMessage(async (message) => {
      await slow;
      seen.push(`b ${message.content}`);
    });
    const ids = ['1', '2'].map((content) => transport.deliver({ content }).id);
    await until(() => expect(seen).toEqual(['a 1']));
    expect(transport.acked).toEqual([]);
    resolve();
    await until(() => expect([...new Set(transport.acked)]).toEqual(ids));
    expect(seen).toEqual(['a 1', 'b 1', 'a 2', 'b 2']);
  });

  it('that were there before the start wait for the handler that is added next, without a complaint', async () => {
    const transport = new MockTransport();
    const { id } = transport.deliver();
    const { handle, log } = await started({ transport });
    handle.poller.onMessage(() => {});
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(log.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  it('can be answered', async () => {
    const { handle, transport } = await started();
    handle.poller.onMessage((_message, delivery) => delivery.reply('hello back'));
    const { id } = transport.deliver({ from: 'ada', threadId: 't' });
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(transport.pushed).toMatchObject([
      { to: 'ada', content: 'hello back', options: { replyTo: id, conversationId: 't' } },
    ]);
  });

  it('come again to the handler that failed, and to no other', async () => {
    const { handle, transport } = await started();
    const calls: string[] = [];
    handle.poller.onMessage((_message, { attempt }) => void calls.push(`good ${attempt}`));
    handle.poller.onMessage((_message, { attempt }) => {
      calls.push(`bad ${attempt}`);
      if (attempt === 1) throw new Error('not yet');
    });
    const { id } = transport.deliver();
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(calls).toEqual(['good 1', 'bad 1', 'bad 2']);
  });

  it('are given up, kept and acked where no retry can help', async () => {
    const { handle, transport, log } = await started();
    handle.poller.onMessage(() => Promise.reject(new PermanentError('never')));
    const { id } = transport.deliver();
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(handle.status().inbox).toMatchObject({ dead: 1, done: 0 });
    expect(log).toContain('error a message became a dead letter');
  });

  it('no longer reach a handler that was taken away', async () => {
    const { handle, transport } = await started();
    const first = vi.fn();
    const second = vi.fn();
    const remove = handle.poller.onMessage(first);
    handle.poller.onMessage(second);
    remove();
    remove();
    const { id } = transport.deliver();
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(first).not.toHaveBeenCalled();
    expect(second).toHaveBeenCalledOnce();
  });

  it('stay unread while nobody handles them, which is said once', async () => {
    const { handle, transport, log } = await started();
    const { id } = transport.deliver();
    await until(() => expect(handle.status().healthy).toBe(false));
    expect(handle.status().problems).toMatchObject([{ code: 'no_handler', severity: 'error' }]);
    const { polls } = transport;
    await until(() => expect(transport.polls).toBeGreaterThan(polls + 3));
    expect(log.filter((line) => line === 'error the inbox cannot work')).toHaveLength(1);
    expect(transport.acked).toEqual([]);
    handle.poller.onMessage(() => {});
    await until(() => expect([...new Set(transport.acked)]).toEqual([id]));
    expect(handle.status()).toMatchObject({ healthy: true, problems: [] });
  });

  it('of groups arrive where they mention the agent', async () => {
    class Groups extends MockTransport {
      readonly asked: unknown[] = [];

      async fetchConversation(ids: readonly string[], options: object) {
        this.asked.push([ids, options]);
        const common = { timestamp: '2026-01-01T00:00:00Z', from: 'ada', groupId: 'g', threadId: 'group' };
        const messages =
          this.asked.length > 1
            ? []
            : [
                { ...common, id: '1', seq: 1, content: 'hello @bob' },
                { ...common, id: '2', seq: 2, groupId: 'h', content: 'hello @bobby' },
              ];
        return { messages, cursor: 2, more: false };
      }
    }
    const transport = new Groups();
    const { handle } = await started({ transport, groupConversationIds: ['group'], groupPollLimit: 7 });
    const seen: string[] = [];
    handle.poller.onMessage((message) => void seen.push(message.content));
    await until(() => expect(seen).toEqual(['hello @bob']));
    expect(transport.asked[0]).toMatchObject([['group'], { limit: 7 }]);
  });
});

describe('each member stops alone and starts again', () => {
  it('the poller', async () => {
    const { handle, transport } = await started();
    const seen: string[] = [];
    handle.poller.onMessage((message) => void seen.push(message.content));
    await until(() => expect(transport.polls).toBeGreaterThan(1));
    await handle.poller.stop();
    const { polls } = transport;
    transport.deliver({ content: 'while it stood still' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(transport.polls).toBe(polls);
    expect(handle.poller.status()).toMatchObject({ running: false, seenCount: 0, pending: 0 });
    expect(handle.status().problems).toMatchObject([{ code: 'poller_stopped', severity: 'error' }]);
    handle.poller.start();
    await until(() => expect(seen).toEqual(['while it stood still']));
    expect(handle.poller.status()).toMatchObject({ running: true, seenCount: 1 });
    expect(handle.status().problems).toEqual([]);
  });

  it('the heartbeat, which says that it goes', async () => {
    const { handle, transport } = await started({ transport: new Present(), heartbeatIntervalMs: 50 });
    const { reports } = transport as Present;
    await until(() => expect(reports.at(-1)).toBe('online'));
    await handle.heartbeat!.stop();
    expect(reports.at(-1)).toBe('offline');
    expect(handle.heartbeat!.status()).toMatchObject({ running: false, state: 'offline' });
    const { length } = reports;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(reports).toHaveLength(length);
    handle.heartbeat!.start();
    await until(() => expect(reports.at(-1)).toBe('online'));
  });

  it('the key rotation, which rotates when told to even so', async () => {
    const { handle, registry } = await started();
    expect(handle.keyRotation!.status()).toMatchObject({ running: true, lastRotationAt: null });
    await handle.keyRotation!.stop();
    expect(handle.keyRotation!.status().running).toBe(false);
    await handle.keyRotation!.rotateNow();
    expect(registry.credentials.get('bob')!.apiKey).toBe('key-of-bob+');
    expect(handle.keyRotation!.status().lastRotationAt).toEqual(expect.any(String));
    handle.keyRotation!.start();
    expect(handle.keyRotation!.status().running).toBe(true);
  });

  it('and refuses to start again once the runtime has stopped', async () => {
    const { handle } = await started();
    await handle.stop();
    const refusal = expect.objectContaining({ code: 'E_KERNEL_STATE' });
    expect(() => handle.poller.start()).toThrow(refusal);
    expect(() => handle.keyRotation!.start()).toThrow(refusal);
    expect(() => handle.poller.onMessage(() => {})).toThrow(refusal);
    await handle.poller.stop();
  });
});

describe('null', () => {
  it('is the heartbeat and the key rotation at 0, and the stream where there is none', async () => {
    const transport = new Present();
    const { handle, registry } = await started({ transport, heartbeatIntervalMs: 0, maxKeyAgeMs: 0 });
    expect([handle.heartbeat, handle.keyRotation, handle.sseConnection]).toEqual([null, null, null]);
    await until(() => expect(transport.polls).toBeGreaterThan(5));
    expect(transport.reports).toEqual([]);
    expect(registry.calls.filter((call) => call.startsWith('rotate'))).toEqual([]);
    expect(handle.status().presence.state).toBe('off');
  });
});

describe('stop', () => {
  it('needs nobody to wait for it, and says the same to all who do', async () => {
    const { handle, transport } = await started();
    transport.failNext('disconnect', new Error('it will not go'));
    handle.stop();
    const report = await handle.stop('again');
    expect(report).toMatchObject({ reason: 'requested', ok: false, drained: true });
    expect(report.forced).toMatchObject([
      { plugin: 'transport:mock', error: expect.stringContaining('will not go') },
    ]);
    expect(await handle.stop()).toBe(report);
    expect(handle.status().state).toBe('stopped');
  });

  it('lets a handler at work finish and acks what it did', async () => {
    const { handle, transport } = await started();
    const { promise, resolve } = Promise.withResolvers<void>();
    const began = vi.fn(() => promise);
    handle.poller.onMessage(began);
    const { id } = transport.deliver();
    await until(() => expect(began).toHaveBeenCalled());
    const stopped = handle.stop();
    resolve();
    expect(await stopped).toMatchObject({ ok: true, drained: true });
    expect(transport.acked).toEqual([id]);
    expect(transport.connected).toBe(false);
  });

  it('comes at the end of a block that the handle was declared in with await using', async () => {
    const { handle, transport } = await started();
    expect([handle.agentId, transport.connected]).toEqual(['bob', true]);
    await handle[Symbol.asyncDispose]();
    expect(transport.connected).toBe(false);
  });
});

describe('a start that fails', () => {
  it('takes down what had begun, and names who failed and why', async () => {
    const transport = new MockTransport();
    const cause = new Error('no route to host');
    transport.failNext('connect', cause);
    const disconnect = vi.spyOn(transport, 'disconnect');
    const error = await createRuntime(new MapRegistry('bob'), { transport, logger: recorder().logger }).catch(
      (e) => e,
    );
    expect(error).toMatchObject({
      code: 'E_PLUGIN_FAILED',
      plugin: 'transport:mock',
      phase: 'init',
      message: 'transport:mock failed in init: no route to host',
      cause,
    });
    expect(disconnect).toHaveBeenCalledOnce();
    expect(transport.polls).toBe(0);
  });

  it('says how to register when there is no agent, or not this one', async () => {
    const message = 'No agent credential found. Run: cleo agent register --id <id> --api-key <key>';
    for (const [registry, agentId] of [
      [new MapRegistry(), undefined],
      [new MapRegistry('bob'), 'eve'],
    ] as const)
      await expect(createRuntime(registry, { agentId })).rejects.toMatchObject({
        code: 'E_NO_AGENT',
        message,
      });
  });
});

it.for<[object, string]>([
  [{ agentId: 'a/b' }, 'agentId: an agent id is'],
  [{ pollIntervalMs: 0 }, 'pollIntervalMs: '],
  [{ pollIntervalMs: '5000' }, 'pollIntervalMs: Invalid input: expected number, received string'],
  [{ groupConversationIds: 'g' }, 'groupConversationIds: '],
  [{ groupConversationIds: ['g', ''] }, 'groupConversationIds.1: '],
  [{ groupPollLimit: 201 }, 'groupPollLimit: '],
  [{ heartbeatIntervalMs: -1 }, 'heartbeatIntervalMs: '],
  [{ heartbeatIntervalMs: 2 ** 31 }, 'heartbeatIntervalMs: '],
  [{ maxKeyAgeMs: Number.NaN }, 'maxKeyAgeMs: '],
  [{ sseEndpoint: '' }, 'sseEndpoint: '],
  [{ createSseTransport: {} }, 'createSseTransport: expected a function'],
  [{ transport: { name: 'x' } }, 'transport: expected a transport'],
  [{ stateDir: 7 }, 'stateDir: '],
  [{ logger: console }, 'logger: expected a logger'],
  [{ pollInterval: 5 }, 'Unrecognized key: "pollInterval"'],
])('refuses %j by name', async ([config, message]) => {
  const registry = new MapRegistry('bob');
  await expect(createRuntime(registry, config as RuntimeConfig)).rejects.toMatchObject({
    code: 'E_RUNTIME_OPTIONS',
    message: expect.stringContaining(`createRuntime: ${message}`),
  });
  expect(registry.calls).toEqual([]);
});

it('refuses what is no registry, by what it lacks, and a handler that is no function', async () => {
  await expect(createRuntime({ get() {} } as never)).rejects.toMatchObject({
    code: 'E_RUNTIME_OPTIONS',
    message: expect.stringContaining('it has no getActive, markUsed, rotateKey'),
  });
  const { handle } = await started({ transport: new SevenTransport() });
  expect(() => handle.poller.onMessage('handler' as never)).toThrow('onMessage: expected a function');
});

/** A transport that tells others how the agent is. */
class Present extends MockTransport {
  readonly reports: string[] = [];

  async heartbeat({ status }: { status: string }): Promise<void> {
    this.reports.push(status);
  }
}
