import assert from 'node:assert/strict';
import { type ConduitMessage, messageKey } from '../../message.ts';
import { assertAscending, assertRejects, contents } from './assertions.ts';
import { type Behaviour, having } from './behaviour.ts';
import { numbers, pushMany } from './calls.ts';

export const conversations: Behaviour[] = [
  having(['fetchConversation'], 'conversations are read in ascending pages', async (agent, { group }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await agent('carol');
    const groups = [await group(['alice', 'bob', 'carol']), await group(['alice', 'bob'])];
    const sent = numbers(25);
    for (const [index, content] of sent.entries())
      await (index % 3 ? alice : bob).push('', content, { conversationId: groups[index % 2]! });
    const seen: ConduitMessage[] = [];
    let cursor = 0;
    for (let more = true; more; ) {
      const page = await bob.fetchConversation(groups, { afterSeq: cursor, limit: 10 });
      assert.ok(page.messages.length <= 10);
      assert.ok(page.cursor > cursor, 'the cursor moves on');
      seen.push(...page.messages);
      ({ cursor, more } = page);
    }
    assert.deepEqual(contents(seen), sent, 'each message once, also the own ones');
    assertAscending(seen);
    assert.deepEqual(await bob.fetchConversation(groups, { afterSeq: cursor }), {
      messages: [],
      cursor,
      more: false,
    });
  }),

  having(
    ['fetchConversation'],
    'a message polled and read in its conversation is the same message',
    async (agent, { group }) => {
      const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
      const conversationId = await group(['alice', 'bob', 'carol']);
      await alice.push('', 'to all', { conversationId });
      for (const reader of [bob, carol]) {
        const [polled] = await reader.poll();
        const page = await reader.fetchConversation([conversationId], { afterSeq: 0 });
        assert.deepEqual(page.messages.map(messageKey), [messageKey(polled!)]);
      }
    },
  ),

  having(
    ['fetchConversation'],
    'without a cursor the newest messages are read, still ascending',
    async (agent) => {
      const [alice, bob] = [await agent('alice'), await agent('bob')];
      for (const content of ['1', '2', '3']) await alice.push('bob', content);
      const [message] = await bob.poll();
      const page = await bob.fetchConversation([message!.threadId!], { limit: 2 });
      assert.deepEqual(contents(page.messages), ['2', '3']);
      await alice.push('bob', '4');
      const next = await bob.fetchConversation([message!.threadId!], { afterSeq: page.cursor });
      assert.deepEqual(contents(next.messages), ['4']);
    },
  ),

  having(['fetchConversation'], 'a page of a conversation holds 50 without a limit', async (agent) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 51);
    const [message] = await bob.poll({ limit: 1 });
    const page = await bob.fetchConversation([message!.threadId!], { afterSeq: 0 });
    assert.deepEqual([page.messages.length, page.more], [50, true]);
    const rest = await bob.fetchConversation([message!.threadId!], { afterSeq: page.cursor });
    assert.deepEqual([rest.messages.length, rest.more], [1, false]);
  }),

  having(
    ['fetchConversation'],
    'a conversation keeps what was acked, and reading it acks nothing',
    async (agent) => {
      const [alice, bob] = [await agent('alice'), await agent('bob')];
      const { messageId } = await alice.push('bob', 'read');
      await alice.push('bob', 'unread');
      const [message] = await bob.poll();
      await bob.ack([messageId]);
      const page = await bob.fetchConversation([message!.threadId!], { afterSeq: 0 });
      assert.deepEqual(contents(page.messages), ['read', 'unread']);
      assert.deepEqual(contents(await bob.poll()), ['unread']);
    },
  ),

  having(['fetchConversation'], 'no conversations have no messages', async (agent) => {
    const bob = await agent('bob');
    await (await agent('alice')).push('bob', 'hello');
    assert.deepEqual(await bob.fetchConversation([], { afterSeq: 7 }), {
      messages: [],
      cursor: 7,
      more: false,
    });
  }),

  having(
    ['fetchConversation'],
    'an outsider cannot read a conversation, alone or among its own',
    async (agent) => {
      const [alice, bob, mallory] = [await agent('alice'), await agent('bob'), await agent('mallory')];
      await alice.push('bob', 'secret');
      await alice.push('mallory', 'hello');
      const [secret, own] = [...(await bob.poll()), ...(await mallory.poll())].map(
        ({ threadId }) => threadId!,
      );
      await assertRejects(mallory.fetchConversation([secret!]), 'E_AUTH_FORBIDDEN');
      await assertRejects(mallory.fetchConversation([own!, secret!]), 'E_AUTH_FORBIDDEN');
      assert.deepEqual(contents((await mallory.fetchConversation([own!])).messages), ['hello']);
    },
  ),

  having(['fetchConversation'], 'an unknown conversation is an error', async (agent) => {
    const unknown = (await agent('alice')).fetchConversation(['00000000-0000-7000-8000-000000000000']);
    await assertRejects(unknown, 'E_NOT_FOUND_CONVERSATION');
  }),
];
