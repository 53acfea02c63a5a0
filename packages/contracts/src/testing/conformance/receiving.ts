import assert from 'node:assert/strict';
import { type ConduitMessage, messageSchema } from '../../message.ts';
import { assertAscending, type Behaviour, behaviour, contents, numbers, pushMany } from './behaviour.ts';

export const receiving: Behaviour[] = [
  behaviour('a pushed message is polled by its recipient', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', 'hello');
    const [message, ...more] = await bob.poll();
    assert.deepEqual(more, []);
    assert.deepEqual(messageSchema.parse(message), message);
    assert.deepEqual([message?.id, message?.from, message?.content], [messageId, 'alice', 'hello']);
    assert.ok(message?.threadId, 'a message names its conversation');
    assert.ok(Math.abs(Date.parse(message.timestamp) - Date.now()) < 60_000, 'its timestamp is now');
  }),

  behaviour('messages are polled oldest first', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    for (const content of ['1', '2', '3']) await alice.push('bob', content);
    const messages = await bob.poll();
    assert.deepEqual(contents(messages), ['1', '2', '3']);
    assertAscending(messages);
  }),

  behaviour('a poll changes nothing', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'hello');
    const first = await bob.poll();
    assert.deepEqual(await bob.poll(), first);
  }),

  behaviour('a poll answers at most its limit, and 50 without one', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 51);
    assert.equal((await bob.poll({ limit: 7 })).length, 7);
    assert.equal((await bob.poll()).length, 50);
  }),

  behaviour(
    'afterSeq pages through 1,000 messages written in one instant, each once',
    async ({ agent, skip }) => {
      const [alice, bob] = [await agent('alice'), await agent('bob')];
      await pushMany(alice, 'bob', 1_000);
      const seen: ConduitMessage[] = [];
      for (let page = await bob.poll({ limit: 50 }); page.length > 0; ) {
        const { seq } = page.at(-1)!;
        if (seq === undefined) return skip(`${bob.name} has no seq`);
        seen.push(...page);
        assert.ok(seen.length <= 1_000, 'no message comes twice');
        page = await bob.poll({ limit: 50, afterSeq: seq });
      }
      assertAscending(seen);
      assert.deepEqual(contents(seen).sort(), numbers(1_000).sort());
    },
  ),

  behaviour('messages are received by acking page after page, each once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 120);
    const seen: ConduitMessage[] = [];
    for (let page = await bob.poll({ limit: 50 }); page.length > 0; page = await bob.poll({ limit: 50 })) {
      seen.push(...page);
      assert.ok(seen.length <= 120, 'no message comes twice');
      await bob.ack(page.map(({ id }) => id));
    }
    assert.deepEqual(contents(seen).sort(), numbers(120).sort());
  }),

  behaviour('an acked message does not come again, and acking it twice is once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', '1');
    await alice.push('bob', '2');
    await bob.ack([messageId]);
    await bob.ack([messageId, messageId]);
    await bob.ack([]);
    assert.deepEqual(contents(await bob.poll()), ['2']);
  }),

  behaviour('only its recipient can ack a message; other ids are ignored', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const { messageId } = await alice.push('bob', 'hello');
    await carol.ack([messageId]);
    await alice.ack([messageId]);
    await bob.ack(['no-such-message']);
    assert.deepEqual(contents(await bob.poll()), ['hello']);
  }),

  behaviour('a message is polled by its recipient and by nobody else', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    await alice.push('bob', 'to bob');
    await alice.push('carol', 'to carol');
    assert.deepEqual(contents(await bob.poll()), ['to bob']);
    assert.deepEqual(contents(await carol.poll()), ['to carol']);
    assert.deepEqual(await alice.poll(), []);
  }),

  behaviour('unread messages survive a reconnect', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', 'read');
    await alice.push('bob', 'unread');
    await bob.ack([messageId]);
    await bob.disconnect();
    await alice.push('bob', 'while away');
    assert.deepEqual(contents(await (await agent('bob')).poll()), ['unread', 'while away']);
  }),
];
