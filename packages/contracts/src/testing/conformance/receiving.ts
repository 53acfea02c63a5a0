import assert from 'node:assert/strict';
import { messageSchema } from '../../message.ts';
import { assertAscending, assertSame, contents } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { numbers, pushMany, receiveAll } from './calls.ts';

export const receiving: Behaviour[] = [
  behaviour('a polled message has the shape and the time of a message', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'hello');
    const [message] = await bob.poll();
    assert.deepEqual(messageSchema.parse(message), message);
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
    assert.deepEqual(await (await agent('bob')).poll(), first, 'also for another transport of the agent');
  }),

  behaviour('a poll answers at most its limit, up to 200, and 50 without one', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 201);
    assert.equal((await bob.poll({ limit: 7 })).length, 7);
    assert.equal((await bob.poll()).length, 50);
    assert.equal((await bob.poll({ limit: 200 })).length, 200);
  }),

  behaviour('messages are received by acking page after page, each once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 120);
    assertSame(await receiveAll(bob, 50, 120), numbers(120), 'each comes once');
  }),

  behaviour('an acked message does not come again, and acking it twice is once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', '1');
    await alice.push('bob', '2');
    await Promise.all([bob.ack([messageId]), bob.ack([messageId])]);
    await bob.ack([messageId, messageId]);
    await bob.ack([]);
    assert.deepEqual(contents(await bob.poll()), ['2']);
    assert.deepEqual(contents(await (await agent('bob')).poll()), ['2'], 'nor for another transport');
  }),

  behaviour('a thousand ids are acked in one call', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await pushMany(alice, 'bob', 30);
    const ids = (await bob.poll()).map(({ id }) => id);
    const others = numbers(1_000).map((number) => `no-such-message-${number}`);
    await bob.ack([
      ...ids.slice(0, 10),
      ...others.slice(0, 480),
      ...ids.slice(10, 20),
      ...others.slice(480, 970),
    ]);
    assert.equal((await bob.poll()).length, 10);
    await bob.ack([...others.slice(0, 990), ...ids.slice(20)]);
    assert.deepEqual(await bob.poll(), []);
  }),

  behaviour('only its recipient can ack a message; other ids are ignored', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const { messageId } = await alice.push('bob', 'hello');
    await carol.ack([messageId]);
    await alice.ack([messageId]);
    await bob.ack(['no-such-message']);
    assert.deepEqual(contents(await bob.poll()), ['hello']);
    await bob.ack(['no-such-message', messageId]);
    assert.deepEqual(await bob.poll(), [], 'an id that is nothing does not spoil the others');
  }),

  behaviour('a message is polled by its recipient and by nobody else', async ({ agent }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    await alice.push('bob', 'to bob');
    await alice.push('carol', 'to carol');
    assert.deepEqual(contents(await bob.poll()), ['to bob']);
    assert.deepEqual(contents(await carol.poll()), ['to carol']);
    assert.deepEqual(await alice.poll(), []);
  }),
];
