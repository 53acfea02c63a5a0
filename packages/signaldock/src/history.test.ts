import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { testDock } from './dock.test.kit.ts';

const AGENTS = ['alice', 'bob', 'carol', 'dave'];

async function withGroups() {
  const dock = await testDock(AGENTS);
  const group = async (...participants: string[]) =>
    (await dock.createConversation('alice', { participants })).id;
  const one = await group('bob', 'carol');
  const two = await group('bob', 'dave');
  return { dock, one, two };
}

const contents = ({ messages }: { messages: { content: string }[] }) =>
  messages.map(({ content }) => content);

describe('fetchConversations', () => {
  it('pages upwards through several conversations, each message once', async () => {
    const { dock, one, two } = await withGroups();
    for (let n = 1; n <= 25; n++)
      await dock.sendToConversation(n % 3 ? 'alice' : 'bob', n % 2 ? one : two, { content: `m${n}` });
    const seen: string[] = [];
    const cursors: number[] = [];
    for (let afterSeq = 0, more = true; more; ) {
      const page = await dock.fetchConversations('bob', [one, two], { afterSeq, limit: 10 });
      seen.push(...contents(page));
      ({ cursor: afterSeq, more } = page);
      cursors.push(afterSeq);
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => `m${n + 1}`));
    expect(cursors).toHaveLength(3);
    expect(await dock.fetchConversations('bob', [one, two], { afterSeq: cursors[2]! })).toEqual({
      messages: [],
      cursor: cursors[2],
      more: false,
    });
  });

  it('says that nothing more is there when a page ends with the last message', async () => {
    const { dock, one } = await withGroups();
    for (const content of ['m1', 'm2']) await dock.sendToConversation('alice', one, { content });
    expect(await dock.fetchConversations('bob', [one], { afterSeq: 0, limit: 2 })).toMatchObject({
      more: false,
    });
    expect(await dock.fetchConversations('bob', [one], { afterSeq: 0, limit: 1 })).toMatchObject({
      more: true,
    });
  });

  it('shows a group message once, as the own copy, or as the first one to its sender', async () => {
    const { dock, one } = await withGroups();
    const first = await dock.sendToConversation('alice', one, { content: 'x' });
    for (const agent of ['bob', 'carol']) {
      const [own] = await dock.peek(agent);
      expect((await dock.fetchConversations(agent, [one], { afterSeq: 0 })).messages).toEqual([own]);
      expect(own!.groupId).toBe(first.groupId);
    }
    expect((await dock.fetchConversations('alice', [one])).messages).toEqual([first]);
  });

  it('goes on exactly where any copy of a group message stood', async () => {
    const { dock, one } = await withGroups();
    await dock.sendToConversation('alice', one, { content: 'm1' });
    await dock.sendToConversation('alice', one, { content: 'm2' });
    for (const agent of ['alice', 'bob', 'carol']) {
      const { cursor } = await dock.fetchConversations(agent, [one], { afterSeq: 0, limit: 1 });
      expect(contents(await dock.fetchConversations(agent, [one], { afterSeq: cursor }))).toEqual(['m2']);
    }
  });

  it('without a cursor answers the newest, still upwards', async () => {
    const { dock, one, two } = await withGroups();
    for (let n = 1; n <= 6; n++)
      await dock.sendToConversation('alice', n % 2 ? one : two, { content: `m${n}` });
    const page = await dock.fetchConversations('bob', [one, two], { limit: 4 });
    expect(contents(page)).toEqual(['m3', 'm4', 'm5', 'm6']);
    expect(page.more).toBe(false);
    await dock.sendToConversation('alice', one, { content: 'm7' });
    expect(contents(await dock.fetchConversations('bob', [one, two], { afterSeq: page.cursor }))).toEqual([
      'm7',
    ]);
  });

  it('answers an empty page for a conversation without messages, and for none', async () => {
    const { dock, one } = await withGroups();
    const empty = { messages: [], cursor: 0, more: false };
    expect(await dock.fetchConversations('bob', [one])).toEqual(empty);
    expect(await dock.fetchConversations('bob', [])).toEqual(empty);
    expect(await dock.fetchConversations('bob', [one], { afterSeq: 7 })).toEqual({ ...empty, cursor: 7 });
  });

  it('takes a conversation named twice for one', async () => {
    const { dock, one } = await withGroups();
    await dock.sendToConversation('alice', one, { content: 'x' });
    expect((await dock.fetchConversations('bob', [one, one], { afterSeq: 0 })).messages).toHaveLength(1);
  });

  it('refuses when the agent is missing from one of the conversations', async () => {
    const { dock, one, two } = await withGroups();
    await expect(dock.fetchConversations('carol', [one, two])).rejects.toMatchObject({
      code: 'E_AUTH_FORBIDDEN',
      details: { agentId: 'carol', conversationId: two },
    });
    await expect(dock.fetchConversations('bob', [one, 'nope'])).rejects.toMatchObject({
      code: 'E_NOT_FOUND_CONVERSATION',
    });
    await expect(
      dock.fetchConversations(
        'bob',
        Array.from({ length: 201 }, (_, n) => `${n}`),
      ),
    ).rejects.toMatchObject({ code: 'E_VALIDATION_CONSTRAINT' });
  });

  it('ends a page of very long messages early, says so, and leaves none out', async () => {
    const { dock, one } = await withGroups();
    const content = 'x'.repeat(MAX_CONTENT_BYTES);
    for (let n = 0; n < 10; n++) await dock.sendToConversation('alice', one, { content });
    const first = await dock.fetchConversations('bob', [one], { afterSeq: 0 });
    expect(first).toMatchObject({ more: true });
    const second = await dock.fetchConversations('bob', [one], { afterSeq: first.cursor });
    expect(first.messages.length + second.messages.length).toBe(10);
    expect(second.more).toBe(false);
  });
});
