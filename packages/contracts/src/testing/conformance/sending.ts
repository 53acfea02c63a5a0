import assert from 'node:assert/strict';
import { MAX_CONTENT_BYTES } from '../../message.ts';
import type { Transport } from '../../transport.ts';
import { assertRejects, type Behaviour, behaviour, contents } from './behaviour.ts';

export const sending: Behaviour[] = [
  behaviour('text arrives as it was sent', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const texts = [
      '',
      ' ',
      '👩‍👩‍👧 \u{1F600}',
      'שלום\u200f',
      'a\r\nb\n\tc',
      `"'\\{"a":1}`,
      '</script>%00',
      'a\0b',
      '\u2028',
    ];
    for (const text of texts) await alice.push('bob', text);
    assert.deepEqual(contents(await bob.poll()), texts);
  }),

  behaviour('a message may be 1 MiB long', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const full = 'é'.repeat(MAX_CONTENT_BYTES / 2);
    await alice.push('bob', full);
    const [message] = await bob.poll();
    assert.ok(message?.content === full, 'it arrives whole');
  }),

  behaviour('a longer message is refused and not stored', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const tooLong = 'é'.repeat(MAX_CONTENT_BYTES / 2 + 1);
    await assertRejects(alice.push('bob', tooLong), 'E_VALIDATION_CONSTRAINT');
    assert.deepEqual(await bob.poll(), []);
  }),

  behaviour('a push to an unknown agent is refused', async ({ agent }) => {
    const alice = await agent('alice');
    await assertRejects(alice.push('nobody', 'hello'), 'E_NOT_FOUND_AGENT');
  }),

  behaviour('metadata arrives with its message', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'hello', { metadata: { project: 'cleo' } });
    const [message] = await bob.poll();
    assert.equal(message?.metadata?.project, 'cleo');
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

  behaviour('an answer into the conversation stays in it', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'question');
    const [question] = await bob.poll();
    await bob.push('alice', 'answer', { conversationId: question!.threadId!, replyTo: question!.id });
    const [answer] = await alice.poll();
    assert.equal(answer?.content, 'answer');
    assert.equal(answer.threadId, question?.threadId);
  }),

  behaviour('a later message to the same agent is in the same conversation', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', '1');
    await alice.push('bob', '2');
    assert.equal(new Set((await bob.poll()).map(({ threadId }) => threadId)).size, 1);
  }),
];
