import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '@cleocode/contracts/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import { startIntake } from './intake.test.kit.ts';
import { STREAM, stream, stubServer, until } from './stub.test.kit.ts';

/** What a busy machine holds up for a while is no silence and no stall, except in the tests of those. */
const PATIENT = { watchdogMs: 30_000, stallMs: 60_000 };

/** A server of ours behind a proxy, with two agents; heartbeats often enough for a watchdog of half a second. */
async function scene(options: Parameters<typeof testServer>[1] = {}) {
  const { dock, url, keys, restart } = await testServer(['alice', 'bob'], {
    streamHeartbeatMs: 100,
    ...options,
  });
  const proxy = await FaultProxy.start({ target: url });
  onTestFinished(() => proxy.close());
  const send = (content: string, from = 'alice') => dock.send(from, 'bob', { content });
  const start = (given: Parameters<typeof startIntake>[3] = {}) =>
    startIntake(dock, proxy.url(), keys.bob!, { ...PATIENT, ...given });
  return { dock, url, keys, restart, proxy, send, start };
}

describe('an intake that has a stream', () => {
  it('is live once it has caught up, and brings messages as they are sent', async () => {
    const { send, start } = await scene();
    await send('before');
    const { intake, inbox, transport, states } = start();
    expect([intake.state, intake.lastReceiveAgeMs]).toEqual(['connecting', undefined]);
    const { promise, resolve } = Promise.withResolvers<void>();
    transport.before = () => promise;
    await until(() => transport.polls === 1);
    await send('meanwhile');
    await until(() => intake.status().lastReceiveAgeMs !== undefined);
    expect([intake.state, inbox.contents]).toEqual(['connecting', []]);
    resolve();
    await until(() => intake.state === 'live');
    await until(() => inbox.contents.length === 2);
    await send('after');
    await until(() => inbox.contents.length === 3);
    expect(inbox.contents).toEqual(['before', 'meanwhile', 'after']);
    expect(inbox.pushed.at(-1)).toMatchObject({ content: 'after', from: 'alice', seq: expect.any(Number) });
    expect(states).toEqual(['live']);
    expect(intake.status()).toMatchObject({ state: 'live', received: expect.any(Number), unreadable: 0 });
    expect(intake.status()).not.toHaveProperty('problem');
    expect(intake.lastReceiveAgeMs).toBeLessThan(5_000);
  });

  it('says that the backend was heard with the first bytes of each connection, before it asks it', async () => {
    const { proxy, start } = await scene();
    const told: string[] = [];
    const { intake, transport } = start();
    transport.heard = () => told.push('heard');
    transport.before = () => told.push('polled');
    await until(() => intake.state === 'live');
    proxy.reset();
    await until(() => told.length === 4);
    expect(told).toEqual(['heard', 'polled', 'heard', 'polled']);
  });

  it('is not live while it cannot catch up', async () => {
    const { start } = await scene();
    const { intake, transport, reported } = start();
    transport.before = () => Promise.reject(new Error('the backend is ill'));
    await until(() => reported.length > 0);
    expect([reported, intake.state]).toEqual([['E_TRANSPORT_FAILED'], 'connecting']);
    expect(intake.status().problem?.message).toContain('the backend is ill');
    transport.before = () => {};
    await until(() => intake.state === 'live');
    expect(reported).toEqual(['E_TRANSPORT_FAILED', 'recovered']);
  });

  it('falls back at once when it is lost, and comes back by itself', async () => {
    const { proxy, send, start } = await scene();
    const { intake, inbox, states, reported } = start();
    await until(() => intake.state === 'live');
    proxy.reset();
    const lost = performance.now();
    await until(() => intake.state === 'fallback');
    expect(performance.now() - lost).toBeLessThan(15_000);
    expect(intake.status()).toMatchObject({
      problem: { code: 'E_TRANSPORT_UNREACHABLE', message: expect.any(String), hint: expect.any(String) },
      retryInMs: expect.any(Number),
    });
    await send('while it was down');
    await until(() => intake.state === 'live');
    await until(() => inbox.contents.length === 1);
    expect(states).toEqual(['live', 'fallback', 'live']);
    expect(reported).toEqual(['E_TRANSPORT_UNREACHABLE', 'recovered']);
    expect(intake.status()).not.toHaveProperty('retryInMs');
  });

  it('turns stale when it goes quiet, and is replaced when it stays silent', async () => {
    const { proxy, send, start } = await scene();
    const { intake, inbox, states } = start({ watchdogMs: 500 });
    await until(() => intake.state === 'live');
    proxy.blackHole();
    const lost = performance.now();
    await until(() => intake.state === 'stale');
    await send('swallowed');
    await until(() => intake.state === 'fallback');
    expect(performance.now() - lost).toBeLessThan(15_000);
    expect(intake.status().problem?.code).toBe('E_STREAM_SILENT');
    await proxy.heal();
    await until(() => intake.state === 'live');
    await until(() => inbox.contents.length === 1);
    expect(states).toEqual(['live', 'stale', 'fallback', 'live']);
  });

  it('is live again without another connection when it was only quiet', async () => {
    const { proxy, start } = await scene();
    const { intake, states } = start({ watchdogMs: 2_000 });
    await until(() => intake.state === 'live');
    proxy.latency(1_500);
    await until(() => intake.state === 'stale');
    await until(() => intake.state === 'live');
    expect([states, proxy.connections]).toEqual([['live', 'stale', 'live'], 1]);
  });

  it('leaves nothing behind, and is in fallback then', async () => {
    const { proxy, start } = await scene();
    const { intake, states, stop } = start();
    await until(() => intake.state === 'live');
    await stop();
    expect([intake.state, states]).toEqual(['fallback', ['live', 'fallback']]);
    await until(() => proxy.open === 0);
  });

  it('goes on when one that listens to its state throws', async () => {
    const { start } = await scene();
    const { intake, states } = start();
    const warnings: unknown[] = [];
    const warn = vi
      .spyOn(process, 'emitWarning')
      .mockImplementation((warning) => void warnings.push(warning));
    onTestFinished(() => warn.mockRestore());
    const bad = new Error('a bad listener');
    const end = intake.onChange(() => {
      throw bad;
    });
    await until(() => states.length === 1);
    expect(warnings).toContain(bad);
    end();
  });
});

describe('an intake behind a proxy that collects what it passes on', () => {
  it('says so, and does not call it live', async () => {
    const { dock, keys } = await scene();
    const server = await stubServer((response) => response.writeHead(200, STREAM).flushHeaders());
    const { intake, states } = startIntake(dock, server.url, keys.bob!, { watchdogMs: 200 });
    await until(() => server.requests.length > 1);
    expect(intake.status().problem).toMatchObject({
      code: 'E_STREAM_BUFFERED',
      hint: expect.stringContaining('proxy'),
    });
    expect(states).toEqual(['fallback']);
  });
});

describe('what a stream does not say whole', () => {
  it.each([
    ['no JSON', 'data: {"id":"m', 1],
    ['a message without an id', 'data: {"from":"alice","content":"x","conversationId":"c"}', 1],
    [
      'a message that may be a copy',
      'id: m\ndata: {"from":"alice","content":"x","conversationId":"c","createdAt":"t"}',
      0,
    ],
    ['that it is not whole', 'event: resync\ndata: {"reason":"replay_limit"}', 0],
  ])('is fetched: %s', async (_, frame, unreadable) => {
    const { dock, keys, send } = await scene();
    const server = await stubServer((response, request) => {
      if (request.url === '/health') return response.writeHead(404).end();
      stream(response);
      setTimeout(async () => {
        await send('the message');
        response.write(`${frame}\n\n`);
      }, 50);
    });
    const { intake, inbox, reported } = startIntake(dock, server.url, keys.bob!);
    await until(() => intake.state === 'live');
    await until(() => inbox.contents.length > 0);
    expect(inbox.contents).toEqual(['the message']);
    expect(inbox.pushed).toEqual([]);
    expect(intake.status()).toMatchObject({ state: 'live', received: 0, unreadable });
    expect(reported).toEqual(unreadable ? ['E_STREAM_UNREADABLE'] : []);
  });

  it('holds back what comes after it until it is fetched', async () => {
    const { dock, keys, send } = await scene();
    const frame = (id: string, seq: number) =>
      `data: ${JSON.stringify({ id, seq, from: 'alice', conversationId: 'c', content: id, createdAt: 't' })}\n\n`;
    const server = await stubServer((response, request) => {
      if (request.url === '/health') return response.writeHead(404).end();
      stream(response);
      setTimeout(async () => {
        await send('first');
        response.write(`data: garbage\n\n${frame('second', 1e6)}`);
      }, 50);
    });
    const { intake, inbox } = startIntake(dock, server.url, keys.bob!);
    await until(() => intake.state === 'live');
    await until(() => inbox.contents.length === 2);
    expect(inbox.contents).toEqual(['first', 'second']);
  });
});

describe('the id that a stream goes on after', () => {
  const store = () => {
    const saved: string[] = [];
    return { saved, load: () => 'stored', save: (id: string) => void saved.push(id) };
  };

  /** The ids that streams were asked for with. */
  async function spied() {
    const asked: (string | undefined)[] = [];
    const one = await scene();
    const frames: string[] = [];
    let last: ServerResponse | undefined;
    const server = await stubServer((response, request) => {
      if (request.url === '/health') return response.writeHead(404).end();
      asked.push(request.headers['last-event-id'] as string | undefined);
      stream(response);
      last = response;
      const beat = setInterval(() => response.write(frames.splice(0).join('') || ':\n'), 20);
      response.on('close', () => clearInterval(beat));
    });
    const frame = (id: string, seq: number, threadId = 'c') =>
      frames.push(
        `id: ${id}\ndata: ${JSON.stringify({ id, seq, from: 'alice', threadId, content: id, createdAt: 't' })}\n\n`,
      );
    return {
      ...one,
      drop: () => last?.destroy(),
      asked,
      frame,
      start: (given = {}) => startIntake(one.dock, server.url, one.keys.bob!, { watchdogMs: 200, ...given }),
    };
  }

  it('is that of the last process first, and is saved as messages are taken, and at the end', async () => {
    const { asked, frame, start } = await spied();
    const resume = store();
    const { intake, inbox, stop } = start({ resume });
    await until(() => intake.state === 'live');
    expect([asked, resume.saved]).toEqual([['stored'], []]);
    frame('m1', 1);
    frame('m2', 2);
    await until(() => resume.saved.length > 0);
    frame('m3', 3);
    await until(() => inbox.contents.length === 3);
    await stop();
    expect(resume.saved).toEqual(['m2', 'm3']);
  });

  it('does not pass what was turned away, until that was fetched', async () => {
    const { asked, frame, start, drop } = await spied();
    const resume = store();
    const { intake, inbox, stop } = start({ resume });
    await until(() => intake.state === 'live');
    frame('m1', 1);
    await until(() => inbox.contents.length === 1);
    inbox.full = true;
    frame('m2', 2);
    await until(() => inbox.pushed.length === 2);
    inbox.full = false;
    frame('m3', 3);
    await until(() => inbox.contents.length === 2);
    drop();
    await until(() => asked.length === 2);
    expect(asked[1]).toBe('m1');
    await until(() => intake.state === 'live');
    frame('m4', 4);
    await until(() => inbox.contents.includes('m4'));
    await stop();
    expect(resume.saved.at(-1)).toBe('m4');
  });

  it('may be kept by a store that fails', async () => {
    const { asked, frame, start } = await spied();
    const broken = () => Promise.reject(new Error('disk full'));
    const { intake, inbox, stop } = start({ resume: { load: broken, save: broken } });
    await until(() => intake.state === 'live');
    frame('m1', 1);
    await until(() => inbox.contents.length === 1);
    await stop();
    expect(asked).toEqual([undefined]);
  });
});

describe('a new key', () => {
  it('gets a stream of its own, and the old one goes when that is live', async () => {
    const { dock, proxy, send, start } = await scene();
    const { intake, inbox, agent, states } = start();
    await until(() => intake.state === 'live');
    const numbers = Array.from({ length: 40 }, (_, n) => `${n}`);
    const sending = (async () => {
      for (const number of numbers) {
        await send(number);
        await sleep(5);
      }
    })();
    const { apiKey } = await dock.rotateKey('bob', { overlapSeconds: 60 });
    agent.setKey(apiKey);
    await until(() => proxy.connections === 2);
    await until(() => proxy.open === 1);
    await sending;
    await until(() => inbox.contents.length === 40);
    expect([inbox.contents, states, agent.refusals]).toEqual([numbers, ['live'], []]);
    // The one that is left has the new key: the old one ends.
    await dock.rotateKey('bob', { overlapSeconds: 0 });
  });

  it('that is refused leaves the old stream where it is', async () => {
    const { proxy, send, start } = await scene();
    const { intake, inbox, agent, states, reported } = start();
    await until(() => intake.state === 'live');
    agent.setKey('sk_test_wrong');
    await until(() => agent.refusals.length > 0);
    await send('still here');
    await until(() => inbox.contents.length === 1);
    expect([states, reported, proxy.connections >= 2]).toEqual([['live'], ['E_AUTH_INVALID_TOKEN'], true]);
    expect(intake.status().problem?.code).toBe('E_AUTH_INVALID_TOKEN');
  });

  it('that comes while another is tried replaces that one', async () => {
    const { dock, start, proxy } = await scene();
    const { intake, agent, states, reported } = start();
    await until(() => intake.state === 'live');
    agent.setKey('sk_test_wrong');
    await until(() => agent.refusals.length > 0);
    const { apiKey } = await dock.rotateKey('bob', { overlapSeconds: 60 });
    agent.setKey(apiKey);
    await until(() => proxy.open === 1 && reported.includes('recovered'));
    expect(states).toEqual(['live']);
  });

  it('is tried at once when the old one had been refused', async () => {
    const { keys, dock, proxy } = await scene();
    const { intake, agent } = startIntake(dock, proxy.url(), 'sk_test_wrong', { watchdogMs: 500 });
    await until(() => agent.refusals.length > 0);
    const refused = performance.now();
    agent.setKey(keys.bob!);
    await until(() => intake.state === 'live');
    expect(performance.now() - refused).toBeLessThan(15_000);
  });
});

describe('a process that stood still', () => {
  it('opens its stream again and catches up before it brings anything', async () => {
    const { proxy, start } = await scene();
    const { intake, states, transport } = start({ stallMs: 100, watchdogMs: 30_000 });
    await until(() => intake.state === 'live');
    const before = transport.polls;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
    await until(() => states.includes('fallback'));
    expect(intake.status().problem).toMatchObject({
      code: 'E_STREAM_SILENT',
      message: expect.stringContaining('stood still'),
    });
    await until(() => intake.state === 'live');
    expect([proxy.connections, transport.polls > before]).toEqual([2, true]);
  });
});

describe('an intake that polls too', () => {
  it('does so while it is not live, at once and then now and then', async () => {
    const { proxy, send, start } = await scene();
    await proxy.down();
    await send('1');
    const { inbox, transport, intake } = start({ pollMs: 50 });
    await until(() => inbox.contents.length === 1);
    await send('2');
    await until(() => inbox.contents.length === 2);
    await proxy.heal();
    await until(() => intake.state === 'live');
    const polls = transport.polls;
    await send('3');
    await until(() => inbox.contents.length === 3);
    expect(transport.polls).toBe(polls);
  });
});
