import { describe, expect, it } from 'vitest';
import { type Running, Sandbox } from '../cleo.test.kit.ts';

const of = (agent: Running, event: string) => agent.events.filter((line) => line.event === event);

describe('two agents that reply to everything', () => {
  it('stop by themselves, say so, and go on when they are told to, without losing a message', async () => {
    const box = new Sandbox();
    await box.register('ann', 'bob');
    const dock = await box.dock();
    const { id, conversationId } = await dock.send('ann', 'bob', { content: 'start' });
    const agents = await box.start(['--all', '--exec', 'echo hi', '--reply']);
    const aside = await agents.event('aside');
    expect(aside).toEqual({
      event: 'aside',
      agentId: 'ann',
      conversation: conversationId,
      cause: 'hops',
      reason: 'agents answered each other 9 times in a row, more than 8',
      hint: expect.stringContaining(`cleo agent set-aside ann resume ${conversationId}`),
    });
    const kept = await agents.event('held', { agentId: 'ann' });
    expect(of(agents, 'message').map((line) => line.agentId)).toEqual(
      Array.from({ length: 9 }, (_, n) => (n % 2 === 0 ? 'bob' : 'ann')),
    );
    expect(of(agents, 'message')[0]).toMatchObject({ id });

    const status = await box.json(['agent', 'status', 'ann']);
    expect(status.code).toBe(0);
    expect(status.lines[0]).toMatchObject({
      healthy: true,
      inbox: { aside: 1 },
      problems: [
        {
          severity: 'warning',
          code: 'conversation_aside',
          message: `conversation ${conversationId} is set aside: agents answered each other 9 times in a row, more than 8`,
          hint: expect.stringContaining('agent set-aside ann'),
        },
      ],
    });
    const listed = await box.json(['agent', 'set-aside', 'ann']);
    expect(listed.lines).toMatchObject([
      { conversation: conversationId, cause: 'hops', held: 1, resuming: false },
      { ok: true, count: 1 },
    ]);

    const resumed = await box.json(['agent', 'set-aside', 'ann', 'resume', conversationId]);
    expect(resumed.lines).toEqual([{ ok: true, agentId: 'ann', conversations: 1, messages: 1 }]);
    await agents.event('resumed', { agentId: 'ann', conversation: conversationId });
    await agents.event('done', { agentId: 'ann', id: kept.id });
    // The count began anew: it takes as many answers to end a second time.
    await agents.event('aside', { agentId: 'bob' });
    await agents.event('held', { agentId: 'bob' });
    expect(of(agents, 'message')).toHaveLength(18);
    expect(await agents.stop()).toBe(0);
    const sent = of(agents, 'sent').map((line) => line.messageId);
    const seen = [...of(agents, 'done'), ...of(agents, 'held')].map((line) => line.id);
    expect(new Set(seen)).toEqual(new Set([id, ...sent]));
    expect([await dock.peek('ann'), await dock.peek('bob')]).toEqual([[], []]);
  }, 30_000);
});

describe('cleo agent set-aside', () => {
  it('says what it knows, and what is wrong with what was typed', async () => {
    const box = new Sandbox();
    await box.register('bob');
    expect((await box.cleo(['agent', 'set-aside'])).stdout).toBe('bob has set no conversation aside.\n');
    const unknown = await box.json(['agent', 'set-aside', 'bob', 'resume', 'talk']);
    expect([unknown.code, unknown.lines[0]]).toMatchObject([
      4,
      {
        ok: false,
        error: {
          code: 'E_NOT_FOUND_SET_ASIDE',
          message: 'agent "bob" has no conversation "talk" set aside',
        },
      },
    ]);
    const nothing = await box.json(['agent', 'set-aside', 'resume']);
    expect([nothing.code, nothing.lines[0]]).toMatchObject([
      2,
      { error: { message: 'resume takes the id of a conversation, or --all' } },
    ]);
  }, 20_000);
});
