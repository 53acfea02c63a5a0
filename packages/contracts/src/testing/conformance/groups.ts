import assert from 'node:assert/strict';
import type { Transport } from '../../transport.ts';
import { assertRejects, contents } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { numbers } from './calls.ts';

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
  }),

  behaviour("one's ack of a group message is not another's", async ({ agent, group }) => {
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const conversationId = await group(['alice', 'bob', 'carol']);
    await alice.push('bob', 'to all', { conversationId });
    const copies = [...(await bob.poll()), ...(await carol.poll())];
    await bob.ack(copies.map(({ id }) => id));
    assert.deepEqual(await bob.poll(), []);
    assert.deepEqual(contents(await carol.poll()), ['to all']);
  }),

  behaviour('everyone in a group gets its messages in the same order', async ({ agent, group }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const readers = [await agent('carol'), await agent('dave')];
    const conversationId = await group(['alice', 'bob', 'carol', 'dave']);
    const sendAll = async (sender: Transport, who: string) => {
      for (const number of numbers(15)) await sender.push('', `${who} ${number}`, { conversationId });
    };
    await Promise.all([sendAll(alice, 'alice'), sendAll(bob, 'bob')]);
    const [carols, daves] = await Promise.all(readers.map(async (reader) => contents(await reader.poll())));
    assert.equal(carols?.length, 30);
    assert.deepEqual(daves, carols);
  }),

  behaviour('an outsider cannot push into a conversation', async ({ agent, group }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await agent('carol');
    const mallory = await agent('mallory');
    await alice.push('bob', 'between us');
    const [message] = await bob.poll();
    for (const conversationId of [await group(['alice', 'bob', 'carol']), message!.threadId!])
      await assertRejects(mallory.push('bob', 'hello', { conversationId }), 'E_AUTH_FORBIDDEN');
    assert.deepEqual(contents(await bob.poll()), ['between us']);
  }),
];
