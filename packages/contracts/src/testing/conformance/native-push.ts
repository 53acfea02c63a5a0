import assert from 'node:assert/strict';
import type { ConduitMessage } from '../../message.ts';
import { assertAscending, assertSame, contents, until } from './assertions.ts';
import { type Behaviour, having } from './behaviour.ts';
import { numbers, pushMany } from './calls.ts';

export const nativePush: Behaviour[] = [
  having(['subscribe'], 'a subscriber hears each new message once, in order', async (agent, harness) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'before');
    const heard: ConduitMessage[] = [];
    const end = bob.subscribe((message) => heard.push(message));
    for (const content of numbers(20)) await alice.push('bob', content);
    await until(harness, 'all are heard', () => heard.length >= 20);
    end();
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

  having(['subscribe'], 'a subscriber hears a burst whole', async (agent, harness) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const heard: ConduitMessage[] = [];
    bob.subscribe((message) => heard.push(message));
    await pushMany(alice, 'bob', 300);
    await until(harness, 'all are heard', () => heard.length >= 300);
    assertSame(contents(heard), numbers(300), 'each is heard once');
    assertAscending(heard);
  }),

  having(
    ['subscribe'],
    'a subscriber hears what is addressed to its agent, not what it sends',
    async (agent, harness) => {
      const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
      const heard: ConduitMessage[] = [];
      alice.subscribe((message) => heard.push(message));
      await alice.push('bob', 'from alice');
      await bob.push('carol', 'from bob');
      await carol.push('alice', 'to alice');
      await until(harness, 'the message to alice is heard', () => heard.length > 0);
      assert.deepEqual(contents(heard), ['to alice']);
    },
  ),

  having(
    ['subscribe'],
    'a subscriber that throws or ends harms no other, and hearing is not acking',
    async (agent, harness) => {
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
      await until(harness, 'both are heard', () => heard.length >= 2);
      assert.deepEqual(heard, ['1', '2']);
      assert.deepEqual(contents(await bob.poll()), ['1', '2']);
    },
  ),

  having(['subscribe'], 'a disconnect ends its subscriptions', async (agent, harness) => {
    const alice = await agent('alice');
    const { transport: bob, config } = await harness.unconnected('bob');
    await bob.connect(config);
    const [old, current]: string[][] = [[], []];
    const end = bob.subscribe!(({ content }) => old!.push(content));
    await bob.disconnect();
    end();
    await alice.push('bob', 'while away');
    await bob.connect(config);
    bob.subscribe!(({ content }) => current!.push(content));
    await alice.push('bob', 'back');
    await until(harness, 'the new subscriber hears', () => current!.length > 0);
    assert.deepEqual([old, current], [[], ['back']]);
  }),
];
