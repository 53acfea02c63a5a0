import assert from 'node:assert/strict';
import type { ConduitMessage } from '../../message.ts';
import { type Behaviour, contents, having, numbers, until } from './behaviour.ts';

export const nativePush: Behaviour[] = [
  having(['subscribe'], 'a subscriber hears each new message once, in order', async (agent) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'before');
    const heard: ConduitMessage[] = [];
    const end = bob.subscribe((message) => heard.push(message));
    for (const content of numbers(20)) await alice.push('bob', content);
    await until(() => heard.length >= 20, 'all are heard');
    end();
    await alice.push('bob', 'after');
    await bob.poll();
    assert.deepEqual(
      contents(heard),
      numbers(20),
      'nothing from before, nothing twice, nothing after the end',
    );
    assert.deepEqual(heard, (await bob.poll()).slice(1, 21), 'heard and polled messages are the same');
  }),

  having(
    ['subscribe'],
    'a subscriber hears what is addressed to its agent, not what it sends',
    async (agent) => {
      const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
      const heard: ConduitMessage[] = [];
      alice.subscribe((message) => heard.push(message));
      await alice.push('bob', 'from alice');
      await bob.push('carol', 'from bob');
      await carol.push('alice', 'to alice');
      await until(() => heard.length > 0, 'the message to alice is heard');
      assert.deepEqual(contents(heard), ['to alice']);
    },
  ),

  having(['subscribe'], 'a subscriber that throws or ends harms no other', async (agent) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const heard: string[] = [];
    bob.subscribe(() => {
      throw new Error('a bad subscriber');
    });
    bob.subscribe((async () => {
      throw new Error('a bad asynchronous subscriber');
    }) as () => void);
    const end = bob.subscribe(() => end());
    bob.subscribe(({ content }) => heard.push(content));
    await alice.push('bob', '1');
    await alice.push('bob', '2');
    await until(() => heard.length >= 2, 'both are heard');
    assert.deepEqual(heard, ['1', '2']);
    assert.deepEqual(contents(await bob.poll()), ['1', '2'], 'hearing is not acking');
  }),
];
