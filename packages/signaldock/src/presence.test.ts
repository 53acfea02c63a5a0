import { describe, expect, it } from 'vitest';
import { TestClock, testDock } from './dock.test.kit.ts';

async function withBob() {
  const clock = new TestClock();
  const dock = await testDock(['bob'], clock);
  return { clock, dock };
}

describe('presence', () => {
  it('is offline before the first sign of life, with no last-seen time', async () => {
    const { dock } = await withBob();
    expect(await dock.presence('bob')).toEqual({ agentId: 'bob', online: false, status: 'offline' });
  });

  it('decays by itself: online up to 90 s, stale up to 180 s, then offline', async () => {
    const { clock, dock } = await withBob();
    await dock.heartbeat('bob');
    const seen = { agentId: 'bob', lastSeen: '2026-01-01T00:00:00.000Z' };
    clock.advance(90);
    expect(await dock.presence('bob')).toEqual({ ...seen, online: true, status: 'online' });
    expect((await dock.getAgent('bob')).status).toBe('online');
    clock.advance(1);
    expect(await dock.presence('bob')).toEqual({ ...seen, online: false, status: 'stale' });
    expect((await dock.getAgent('bob')).status).toBe('offline');
    clock.advance(89);
    expect(await dock.presence('bob')).toMatchObject({ status: 'stale' });
    clock.advance(1);
    expect(await dock.presence('bob')).toEqual({ ...seen, online: false, status: 'offline' });
  });

  it('says busy while the agent says so, and online after a plain heartbeat', async () => {
    const { dock } = await withBob();
    await dock.heartbeat('bob', { status: 'busy' });
    expect(await dock.presence('bob')).toMatchObject({ online: true, status: 'busy' });
    await dock.heartbeat('bob');
    expect(await dock.presence('bob')).toMatchObject({ status: 'online' });
  });

  it('refuses an unknown agent', async () => {
    const { dock } = await withBob();
    for (const call of [dock.presence('x'), dock.heartbeat('x'), dock.setStatus('x', { status: 'online' })])
      await expect(call).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });
});

describe('setStatus', () => {
  it('ignores the late offline of a process that has a successor', async () => {
    const { dock } = await withBob();
    await dock.heartbeat('bob', { instanceId: 'old' });
    await dock.heartbeat('bob', { instanceId: 'new' });
    await dock.setStatus('bob', { status: 'offline', instanceId: 'old' });
    expect(await dock.presence('bob')).toMatchObject({ online: true });
    await dock.setStatus('bob', { status: 'offline', instanceId: 'new' });
    expect(await dock.presence('bob')).toMatchObject({ online: false, status: 'offline' });
  });

  it('remembers the instance through a report that names none', async () => {
    const { dock } = await withBob();
    await dock.heartbeat('bob', { instanceId: 'new' });
    await dock.heartbeat('bob');
    await dock.setStatus('bob', { status: 'offline', instanceId: 'old' });
    expect(await dock.presence('bob')).toMatchObject({ online: true });
  });

  it('obeys an offline that names no instance', async () => {
    const { dock } = await withBob();
    await dock.heartbeat('bob', { instanceId: 'one' });
    await dock.setStatus('bob', { status: 'offline' });
    expect(await dock.presence('bob')).toMatchObject({ status: 'offline' });
  });

  it('obeys an offline that is the first word', async () => {
    const { dock } = await withBob();
    await dock.setStatus('bob', { status: 'offline', instanceId: 'one' });
    expect(await dock.presence('bob')).toMatchObject({ status: 'offline', lastSeen: expect.any(String) });
  });
});

describe('a report', () => {
  it.each([
    { status: 'away' },
    { status: 'online', instanceId: 'x'.repeat(129) },
    { status: 'online', instanceId: 7 },
  ])('that says %o is refused', async (report) => {
    const { dock } = await withBob();
    await expect(dock.setStatus('bob', report as never)).rejects.toMatchObject({
      code: expect.stringMatching(/^E_VALIDATION_/),
    });
  });
});

describe('listOnline', () => {
  it('lists who is online or busy, last seen first', async () => {
    const { clock, dock } = await withBob();
    for (const agentId of ['carol', 'dave', 'erin']) await dock.registerAgent({ agentId });
    await dock.heartbeat('bob');
    clock.advance(60);
    await dock.heartbeat('carol', { status: 'busy' });
    clock.advance(31);
    await dock.heartbeat('dave');
    await dock.setStatus('erin', { status: 'offline' });
    expect((await dock.listOnline()).map(({ agentId, status }) => [agentId, status])).toEqual([
      ['dave', 'online'],
      ['carol', 'busy'],
    ]);
  });
});
