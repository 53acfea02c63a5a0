import assert from 'node:assert/strict';
import { contents, eventually, settled } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { everyCall } from './calls.ts';

const REASON = new Error('no longer wanted');

export const aborting: Behaviour[] = [
  behaviour('an aborted signal rejects with its reason, and nothing is sent', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', 'first');
    const signal = AbortSignal.abort(REASON);
    await assert.rejects(bob.ack([messageId], { signal }), isReason);
    for (const [, call] of everyCall(alice, { signal })) await assert.rejects(call(), isReason);
    assert.deepEqual(contents(await bob.poll()), ['first']);
  }),

  behaviour(
    'a push aborted on its way rejects with the reason, and the transport works on',
    async (harness) => {
      const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
      const stop = new AbortController();
      const push = alice.push('bob', 'given up', { signal: stop.signal });
      stop.abort(REASON);
      const [ended] = await settled(harness, [push]);
      assert.equal(ended?.status === 'rejected' && ended.reason, REASON);
      await alice.push('bob', 'next');
      assert.equal(contents(await bob.poll()).at(-1), 'next');
    },
  ),

  behaviour('a signal that aborts after the answer harms nothing', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const stop = new AbortController();
    await alice.push('bob', 'hello', { signal: stop.signal });
    const messages = await bob.poll({ signal: stop.signal });
    stop.abort(REASON);
    assert.deepEqual(await bob.poll(), messages);
    await alice.push('bob', 'next');
  }),

  behaviour(
    'whatever waits for a silent backend rejects with the reason of its signal, and the transport works on',
    async (harness) => {
      if (!harness.silence) return harness.skip('the harness cannot silence its backend');
      const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
      const release = await harness.silence();
      const stop = new AbortController();
      const calls = everyCall(alice, { signal: stop.signal });
      const ended = settled(
        harness,
        calls.map(([, call]) => call()),
      );
      setTimeout(() => stop.abort(REASON), 50);
      for (const [index, outcome] of (await ended).entries())
        assert.equal(outcome.status === 'rejected' && outcome.reason, REASON, calls[index]![0]);
      await release();
      const options = { idempotencyKey: 'k' };
      await eventually(harness, () => alice.push('bob', 'next', options));
      assert.ok(contents(await eventually(harness, () => bob.poll())).includes('next'));
    },
  ),
];

function isReason(error: unknown): boolean {
  return error === REASON;
}
