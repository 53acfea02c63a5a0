import assert from 'node:assert/strict';
import type { Transport } from '../../transport.ts';
import { assertRejects, assertSame, contents } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { numbers, receiveAll } from './calls.ts';

export const sending: Behaviour[] = [
  behaviour('a pushed message is polled by its recipient under its id', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const sent = await alice.push('bob', 'hello');
    const [message, ...more] = await bob.poll();
    assert.deepEqual(more, []);
    assert.deepEqual([message?.id, message?.from, message?.content], [sent.messageId, 'alice', 'hello']);
    if (sent.conversationId !== undefined) assert.equal(message?.threadId, sent.conversationId);
  }),

  behaviour('a thousand messages sent at once are each stored once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const sent = numbers(1_000);
    const answers = await Promise.all(sent.map((content) => alice.push('bob', content)));
    assert.equal(new Set(answers.map(({ messageId }) => messageId)).size, 1_000);
    assertSame(await receiveAll(bob, 200, 1_000), sent, 'each comes once');
  }),

  behaviour(
    'messages sent one after another keep their order, whoever else is sending',
    async ({ agent }) => {
      const senders = [await agent('alice'), await agent('carol'), await agent('dave')];
      const bob = await agent('bob');
      const sent = numbers(20);
      const sendAll = async (sender: Transport) => {
        for (const content of sent) await sender.push('bob', content);
      };
      await Promise.all(senders.map(sendAll));
      const messages = await bob.poll({ limit: 100 });
      for (const from of ['alice', 'carol', 'dave'])
        assert.deepEqual(contents(messages.filter((message) => message.from === from)), sent, from);
    },
  ),

  behaviour('the same text sent twice is two messages', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const [one, other] = [await alice.push('bob', 'ping'), await alice.push('bob', 'ping')];
    assert.notEqual(one.messageId, other.messageId);
    assert.deepEqual(contents(await bob.poll()), ['ping', 'ping']);
  }),

  behaviour('a push repeated with its idempotency key is stored once', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const push = (from: Transport) => from.push('bob', 'hello', { idempotencyKey: 'k' });
    const answers = [...(await Promise.all([push(alice), push(alice)])), await push(alice)];
    assert.equal(new Set(answers.map(({ messageId }) => messageId)).size, 1);
    assert.equal((await bob.poll()).length, 1);
    await push(carol);
    assert.equal((await bob.poll()).length, 2, 'the key of another agent is another key');
  }),

  behaviour('a push to an unknown agent is refused by its name', async ({ agent }) => {
    const alice = await agent('alice');
    const error = await assertRejects(alice.push('nobody', 'hello'), 'E_NOT_FOUND_AGENT');
    assert.match(error.message, /nobody/);
  }),

  behaviour('a push into an unknown conversation is refused', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const conversationId = '00000000-0000-7000-8000-000000000000';
    await assertRejects(alice.push('bob', 'hello', { conversationId }), 'E_NOT_FOUND_CONVERSATION');
    assert.deepEqual(await bob.poll(), []);
  }),

  behaviour('an answer into the conversation stays in it', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'question');
    const [question] = await bob.poll();
    await bob.push('alice', 'answer', { conversationId: question!.threadId! });
    const [answer] = await alice.poll();
    assert.equal(answer?.content, 'answer');
    assert.equal(answer.threadId, question?.threadId);
  }),

  behaviour('an answer names the message it answers', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', 'question');
    await bob.push('alice', 'answer', { replyTo: messageId });
    const [answer] = await alice.poll();
    assert.equal(answer?.replyTo, messageId);
  }),

  behaviour('a later message to the same agent is in the same conversation', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', '1');
    await alice.push('bob', '2');
    assert.equal(new Set((await bob.poll()).map(({ threadId }) => threadId)).size, 1);
  }),

  behaviour('messages of different agents are in different conversations', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    await alice.push('bob', 'from alice');
    await carol.push('bob', 'from carol');
    assert.equal(new Set((await bob.poll()).map(({ threadId }) => threadId)).size, 2);
  }),
];
