import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CleoError, type ConduitMessage } from '@cleocode/contracts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testDock, testFolder } from './harness.test.kit.ts';
import { LocalTransport, type LocalTransportOptions } from './local-transport.ts';

async function connected(agentId: string, options: LocalTransportOptions): Promise<LocalTransport> {
  const transport = new LocalTransport(options);
  onTestFinished(() => transport.disconnect());
  await transport.connect({ agentId });
  return transport;
}

describe('LocalTransport', () => {
  it('says how to make the backend when there is none', async () => {
    const dir = testFolder();
    const error = await new LocalTransport({ dir }).connect({ agentId: 'bob' }).catch((thrown) => thrown);
    expect(CleoError.is(error, 'E_STORAGE_UNAVAILABLE')).toBe(true);
    expect(error.message).toBe(`signaldock.db not found: ${join(dir, 'signaldock.db')}. Run: cleo init`);
  });

  it('names an agent that is not registered and the command that registers it', async () => {
    const { file } = await testDock(['alice']);
    const transport = new LocalTransport({ file });
    await expect(transport.connect({ agentId: 'bob' })).rejects.toMatchObject({
      code: 'E_NOT_FOUND_AGENT',
      message: 'Agent not found: bob',
      hint: 'Register it first: cleo agent register bob',
    });
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_NOT_CONNECTED',
      message: 'LocalTransport not connected. Call connect() first.',
    });
  });

  it('refuses a subscription before connect', () => {
    expect(() => new LocalTransport().subscribe(() => {})).toThrow(/not connected/);
  });

  it('finds the backend in the state folder', async () => {
    const root = testFolder();
    const inside = join(root, 'a', 'b');
    mkdirSync(inside, { recursive: true });
    vi.stubEnv('CLEO_DIR', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(LocalTransport.isAvailable(inside)).toBe(false);
    const { dir } = await testDock(['bob']);
    vi.stubEnv('CLEO_DIR', dir);
    expect(LocalTransport.isAvailable(inside)).toBe(true);
    const transport = await connected('bob', {});
    expect(await transport.poll()).toEqual([]);
  });

  it('becomes another agent when it connects as one', async () => {
    const { dock, file } = await testDock(['alice', 'bob']);
    const transport = await connected('alice', { file });
    const heard: string[] = [];
    transport.subscribe(({ content }) => heard.push(content));
    await transport.connect({ agentId: 'bob' });
    await dock.send('bob', 'alice', { content: 'to alice' });
    await dock.send('alice', 'bob', { content: 'to bob' });
    expect((await transport.poll()).map(({ content }) => content)).toEqual(['to bob']);
    expect(heard).toEqual([]);
  });

  it('keeps its subscriptions when it connects again as the same agent', async () => {
    const { dock, file } = await testDock(['alice', 'bob']);
    const transport = await connected('bob', { file });
    const heard: string[] = [];
    transport.subscribe(({ content }) => heard.push(content));
    await transport.connect({ agentId: 'bob' });
    await dock.send('alice', 'bob', { content: 'x' });
    expect(heard).toEqual(['x']);
  });

  it('ends its subscriptions, and frees everything, when it disconnects', async () => {
    const { dock, file } = await testDock(['alice', 'bob']);
    const transport = await connected('bob', { file });
    const heard: string[] = [];
    transport.subscribe(({ content }) => heard.push(content));
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    await transport.disconnect();
    expect(timers()).toBe(before - 1);
    await dock.send('alice', 'bob', { content: 'x' });
    expect(heard).toEqual([]);
  });

  it('takes connect and disconnect in the order in which they were called', async () => {
    const { file } = await testDock(['bob']);
    const transport = new LocalTransport({ file });
    await Promise.all([transport.connect({ agentId: 'bob' }), transport.disconnect()]);
    await expect(transport.poll()).rejects.toMatchObject({ code: 'E_TRANSPORT_NOT_CONNECTED' });
    await Promise.all([transport.disconnect(), transport.connect({ agentId: 'bob' })]);
    expect(await transport.poll()).toEqual([]);
    await transport.disconnect();
  });

  it('keeps what the wire says beside the text', async () => {
    const { file } = await testDock(['alice', 'bob']);
    const [alice, bob] = [await connected('alice', { file }), await connected('bob', { file })];
    const { messageId, conversationId } = await alice.push('bob', 'see #plan, @bob /review T1', {
      replyTo: 'm0',
      metadata: { project: 'cleo' },
    });
    const expected: ConduitMessage = {
      id: messageId,
      from: 'alice',
      content: 'see #plan, @bob /review T1',
      contentType: 'text',
      timestamp: expect.any(String),
      threadId: conversationId,
      replyTo: 'm0',
      seq: 1,
      tags: ['#plan'],
      metadata: {
        mentions: ['bob'],
        directives: ['review'],
        tags: ['#plan'],
        taskRefs: ['T1'],
        project: 'cleo',
      },
    };
    expect(await bob.poll()).toEqual([expected]);
  });

  it('stops waiting when the signal aborts on the way', async () => {
    const { file } = await testDock(['alice', 'bob']);
    const alice = await connected('alice', { file });
    const stop = new AbortController();
    const push = alice.push('bob', 'x', { signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(push).rejects.toBe(reason);
  });

  it('hands what a subscriber throws or rejects with to onError', async () => {
    const { file } = await testDock(['alice', 'bob']);
    const errors: unknown[] = [];
    const bob = await connected('bob', { file, onError: (error) => errors.push(error) });
    const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
    bob.subscribe(() => {
      throw thrown;
    });
    bob.subscribe(async () => {
      throw rejected;
    });
    await (await connected('alice', { file })).push('bob', 'x');
    await vi.waitFor(() => expect(errors).toEqual([thrown, rejected]));
  });

  it('warns about a bad subscriber when nobody listens for errors', async () => {
    const { file } = await testDock(['alice', 'bob']);
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => void emitWarning.mockRestore());
    const bob = await connected('bob', { file });
    const failure = new Error('a bad subscriber');
    bob.subscribe(() => {
      throw failure;
    });
    await (await connected('alice', { file })).push('bob', 'x');
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(failure);
  });

  it('does not go deaf in silence when its file is replaced', async () => {
    const { file } = await testDock(['bob']);
    const errors: unknown[] = [];
    const bob = await connected('bob', { file, onError: (error) => errors.push(error) });
    bob.subscribe(() => {});
    rmSync(file);
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'E_STORAGE_REPLACED' }]));
    await expect(bob.poll()).rejects.toMatchObject({ code: 'E_STORAGE_REPLACED' });
  });
});
