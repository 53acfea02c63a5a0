import assert from 'node:assert/strict';
import { type ConduitMessage, messageKey } from '../../message.ts';
import {
  assertAscending,
  assertRejects,
  type Behaviour,
  behaviour,
  contents,
  having,
  numbers,
} from './behaviour.ts';

export const groups: Behaviour[] = [
  behaviour('a group message reaches everyone else once, under one groupId', async ({ agent, group }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const conversationId = await group(['alice', 'bob', 'carol']);
    await alice.push('bob', 'to all', { conversationId });
    const copies = [await bob.poll(), await carol.poll()];
    assert.deepEqual(copies.map(contents), [['to all'], ['to all']]);
    const [bobs, carols] = copies.flat();
    assert.ok(bobs?.groupId);
    assert.equal(bobs.groupId, carols?.groupId);
    assert.notEqual(bobs.id, carols?.id);
    assert.equal(bobs.threadId, conversationId);
    assert.deepEqual(await alice.poll(), []);
    await bob.ack([bobs.id, carols!.id]);
    assert.deepEqual(contents(await carol.poll()), ['to all'], "one's ack is not another's");
  }),

  behaviour('an outsider cannot push into a conversation', async ({ agent, group }) => {
    const [, bob, , mallory] = [
      await agent('alice'),
      await agent('bob'),
      await agent('carol'),
      await agent('mallory'),
    ];
    const conversationId = await group(['alice', 'bob', 'carol']);
    await assertRejects(mallory.push('bob', 'hello', { conversationId }), 'E_AUTH_FORBIDDEN');
    assert.deepEqual(await bob.poll(), []);
  }),

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

  having(['fetchConversation'], 'an outsider cannot read a conversation', async (agent) => {
    const [alice, bob, mallory] = [await agent('alice'), await agent('bob'), await agent('mallory')];
    await alice.push('bob', 'secret');
    const [message] = await bob.poll();
    await assertRejects(mallory.fetchConversation([message!.threadId!]), 'E_AUTH_FORBIDDEN');
  }),
];
