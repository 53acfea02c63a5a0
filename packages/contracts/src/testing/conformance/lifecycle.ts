import assert from 'node:assert/strict';
import { CleoError } from '../../errors.ts';
import type { Transport } from '../../transport.ts';
import { assertRejects, contents, settled } from './assertions.ts';
import { type Behaviour, behaviour, having } from './behaviour.ts';
import { everyCall } from './calls.ts';

export const lifecycle: Behaviour[] = [
  behaviour('nothing works before connect and after disconnect', async ({ unconnected }) => {
    const { transport, config } = await unconnected('alice');
    await unconnected('bob');
    await assertRefusesAll(transport);
    await transport.connect(config);
    assert.deepEqual(await transport.poll(), []);
    await transport.disconnect();
    await assertRefusesAll(transport);
  }),

  having(['subscribe'], 'nobody subscribes before connect and after disconnect', async (_, harness) => {
    const { transport, config } = await harness.unconnected('alice');
    const assertRefuses = () =>
      assert.throws(
        () => transport.subscribe!(() => {}),
        (error) => CleoError.is(error, 'E_TRANSPORT_NOT_CONNECTED'),
      );
    assertRefuses();
    await transport.connect(config);
    transport.subscribe!(() => {});
    await transport.disconnect();
    assertRefuses();
  }),

  behaviour(
    'connect and disconnect may come twice, and a transport connects again',
    async ({ unconnected }) => {
      const { transport, config } = await unconnected('alice');
      await transport.disconnect();
      await transport.connect(config);
      await transport.connect(config);
      assert.deepEqual(await transport.poll(), []);
      await transport.disconnect();
      await transport.disconnect();
      await assertRejects(transport.poll(), 'E_TRANSPORT_NOT_CONNECTED');
      await transport.connect(config);
      assert.deepEqual(await transport.poll(), []);
      await transport.disconnect();
    },
  ),

  behaviour('connect and disconnect called at once count in their order', async ({ unconnected }) => {
    const { transport, config } = await unconnected('alice');
    const all = (...steps: ('connect' | 'disconnect')[]) =>
      Promise.all(
        steps.map((step) => (step === 'connect' ? transport.connect(config) : transport.disconnect())),
      );
    await all('connect', 'connect');
    assert.deepEqual(await transport.poll(), []);
    await all('disconnect', 'disconnect');
    await assertRejects(transport.poll(), 'E_TRANSPORT_NOT_CONNECTED');
    await all('connect', 'disconnect');
    await assertRejects(transport.poll(), 'E_TRANSPORT_NOT_CONNECTED');
    await all('disconnect', 'connect');
    assert.deepEqual(await transport.poll(), []);
  }),

  behaviour('what is under way at a disconnect ends, well or with an error', async (harness) => {
    const [alice, bob] = [await harness.agent('alice'), await harness.agent('bob')];
    const calls = everyCall(alice).map(([, call]) => call());
    const [ended] = await Promise.all([settled(harness, calls), alice.disconnect()]);
    for (const outcome of ended)
      if (outcome.status === 'rejected')
        assert.ok(CleoError.is(outcome.reason), `a CleoError, not ${outcome.reason}`);
    const [push] = ended;
    if (push?.status === 'fulfilled')
      assert.deepEqual(contents(await bob.poll()), ['hello'], 'what was answered is stored');
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

  behaviour("one transport's disconnect is not another's", async ({ agent }) => {
    const [one, other] = [await agent('alice'), await agent('alice')];
    const bob = await agent('bob');
    await one.disconnect();
    await other.push('bob', 'still here');
    assert.deepEqual(contents(await bob.poll()), ['still here']);
  }),
];

async function assertRefusesAll(transport: Transport): Promise<void> {
  for (const [, call] of everyCall(transport)) await assertRejects(call(), 'E_TRANSPORT_NOT_CONNECTED');
}
