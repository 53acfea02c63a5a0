import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConduitMessage } from '../../message.ts';
import { contents, eventually, isRetryable, settled, until } from './assertions.ts';
import { type Behaviour, behaviour, type ConformanceHarness, having } from './behaviour.ts';

type RestartableHarness = ConformanceHarness & Required<Pick<ConformanceHarness, 'restart'>>;

export const restart: Behaviour[] = [
  restarting('what was unread is polled after the backend restarts', async (harness) => {
    const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
    const { messageId } = await alice.push('bob', 'read');
    await alice.push('bob', 'unread');
    await bob.ack([messageId]);
    await harness.restart();
    assert.deepEqual(contents(await eventually(harness, () => bob.poll())), ['unread']);
  }),

  restarting('a push works after the backend restarts', async (harness) => {
    const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
    await alice.push('bob', 'before');
    await harness.restart();
    await eventually(harness, () => alice.push('bob', 'after', { idempotencyKey: 'after' }));
    assert.deepEqual(contents(await eventually(harness, () => bob.poll())), ['before', 'after']);
  }),

  restarting('an idempotency key outlives a restart of the backend', async (harness) => {
    const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
    const push = () => alice.push('bob', 'hello', { idempotencyKey: 'k' });
    const first = await push();
    await harness.restart();
    assert.equal((await eventually(harness, push)).messageId, first.messageId);
    assert.deepEqual(contents(await eventually(harness, () => bob.poll())), ['hello']);
  }),

  restarting(
    'a poll during a restart answers what is unread, or that it may be tried again',
    async (harness) => {
      const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
      await alice.push('bob', 'hello');
      const back = harness.restart();
      const polls: ReturnType<typeof settled<ConduitMessage[]>>[] = [];
      for (let n = 0; n < 5; n++) {
        polls.push(settled(harness, [bob.poll()]));
        await sleep(5);
      }
      await back;
      for (const outcome of (await Promise.all(polls)).flat())
        if (outcome.status === 'fulfilled') assert.deepEqual(contents(outcome.value), ['hello']);
        else assert.ok(isRetryable(outcome.reason), `a retryable CleoError, not ${outcome.reason}`);
    },
  ),

  having(['subscribe'], 'a subscriber hears again after the backend restarts', async (agent, harness) => {
    if (!harness.restart) return harness.skip(CANNOT_RESTART);
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const heard: string[] = [];
    bob.subscribe(({ content }) => heard.push(content));
    await alice.push('bob', 'before');
    await until(harness, 'the message before is heard', () => heard.length > 0);
    await harness.restart();
    // What comes before the subscription is there again is the poll's to find.
    let sent = 0;
    const sending = setInterval(() => {
      sent += 1;
      void alice.push('bob', `after ${sent}`).catch(() => {}); // The next one may come through.
    }, 25);
    try {
      await until(harness, 'a message after it is heard', () => heard.length > 1);
    } finally {
      clearInterval(sending);
    }
    assert.equal(new Set(heard).size, heard.length, 'nothing is heard twice');
  }),
];

const CANNOT_RESTART = 'the harness cannot restart its backend';

function restarting(name: string, run: (harness: RestartableHarness) => Promise<void>): Behaviour {
  return behaviour(name, async (harness) => {
    if (!harness.restart) return harness.skip(CANNOT_RESTART);
    await run(harness as RestartableHarness);
  });
}
