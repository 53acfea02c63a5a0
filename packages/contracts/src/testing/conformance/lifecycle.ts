import assert from 'node:assert/strict';
import { assertRejects, type Behaviour, behaviour, contents } from './behaviour.ts';

export const lifecycle: Behaviour[] = [
  behaviour('nothing works before connect and after disconnect', async ({ unconnected }) => {
    const { transport, config } = await unconnected('alice');
    await unconnected('bob');
    const assertRefuses = async () => {
      await assertRejects(transport.push('bob', 'hello'), 'E_TRANSPORT_NOT_CONNECTED');
      await assertRejects(transport.poll(), 'E_TRANSPORT_NOT_CONNECTED');
      await assertRejects(transport.ack(['m']), 'E_TRANSPORT_NOT_CONNECTED');
    };
    await assertRefuses();
    await transport.connect(config);
    assert.deepEqual(await transport.poll(), []);
    await transport.disconnect();
    await assertRefuses();
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

  behaviour('an aborted signal rejects with its reason, and nothing is sent', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const { messageId } = await alice.push('bob', 'first');
    const reason = new Error('no longer wanted');
    const signal = AbortSignal.abort(reason);
    const isReason = (error: unknown) => error === reason;
    await assert.rejects(alice.push('bob', 'second', { signal }), isReason);
    await assert.rejects(bob.poll({ signal }), isReason);
    await assert.rejects(bob.ack([messageId], { signal }), isReason);
    assert.deepEqual(contents(await bob.poll()), ['first']);
  }),
];
