import assert from 'node:assert/strict';
import type { ConduitMessage } from '../../message.ts';
import type { Transport } from '../../transport.ts';
import { assertAscending, assertSame, contents } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { numbers, pushMany } from './calls.ts';

export const cursor: Behaviour[] = [
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
      assertSame(contents(seen), numbers(1_000), 'each comes once');
    },
  ),

  sequenced('afterSeq 0 is the beginning', async ({ bob }) => {
    assert.deepEqual(await bob.poll({ afterSeq: 0 }), await bob.poll());
    assert.deepEqual(contents(await bob.poll({ afterSeq: 0, limit: 2 })), ['1', '2']);
  }),

  sequenced('a cursor at or beyond the end answers nothing, until something new comes', async (given) => {
    const { alice, bob, seqs } = given;
    const last = seqs.at(-1)!;
    assert.deepEqual(await bob.poll({ afterSeq: last }), []);
    assert.deepEqual(await bob.poll({ afterSeq: last + 1_000_000 }), []);
    await alice.push('bob', 'new');
    assert.deepEqual(contents(await bob.poll({ afterSeq: last })), ['new']);
  }),

  sequenced('a cursor stands, whatever is acked before and at it', async ({ bob, ids, seqs }) => {
    await bob.ack(ids.slice(0, 2));
    assert.deepEqual(contents(await bob.poll({ afterSeq: seqs[1]! })), ['3', '4', '5']);
    assert.deepEqual(contents(await bob.poll({ afterSeq: seqs[0]! })), ['3', '4', '5']);
    await bob.ack([ids[3]!]);
    assert.deepEqual(contents(await bob.poll({ afterSeq: seqs[1]! })), ['3', '5']);
  }),

  behaviour('since an id, only what came after it is polled', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const sent = [await alice.push('bob', '1'), await alice.push('bob', '2'), await alice.push('bob', '3')];
    assert.deepEqual(contents(await bob.poll({ since: sent[0]!.messageId })), ['2', '3']);
    assert.deepEqual(await bob.poll({ since: sent[2]!.messageId }), []);
  }),
];

interface Sequenced {
  alice: Transport;
  bob: Transport;
  ids: string[];
  seqs: number[];
}

/** Five messages from alice wait for bob; a transport without `seq` skips it. */
function sequenced(name: string, run: (given: Sequenced) => Promise<void>): Behaviour {
  return behaviour(name, async ({ agent, skip }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    for (const content of numbers(5)) await alice.push('bob', content);
    const messages = await bob.poll();
    const seqs = messages.flatMap(({ seq }) => seq ?? []);
    if (seqs.length === 0) return skip(`${bob.name} has no seq`);
    await run({ alice, bob, ids: messages.map(({ id }) => id), seqs });
  });
}
