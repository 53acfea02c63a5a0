import assert from 'node:assert/strict';
import { isKeyRefused } from '../../auth.ts';
import { assertRejects, contents } from './assertions.ts';
import { type Behaviour, having } from './behaviour.ts';

export const presence: Behaviour[] = [
  having(['heartbeat', 'setStatus', 'isOnline'], 'presence is what the agent last said', async (agent) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await bob.heartbeat({ status: 'online' });
    const online = await alice.isOnline('bob');
    assert.deepEqual([online.agentId, online.online, online.status], ['bob', true, 'online']);
    assert.ok(Math.abs(Date.parse(online.lastSeen!) - Date.now()) < 60_000, 'it was seen just now');
    await bob.setStatus({ status: 'busy' });
    assert.equal((await alice.isOnline('bob')).status, 'busy');
    await bob.setStatus({ status: 'offline' });
    const offline = await alice.isOnline('bob');
    assert.deepEqual([offline.online, offline.status], [false, 'offline']);
  }),

  having(
    ['heartbeat', 'setStatus', 'isOnline'],
    'a late offline of an earlier process is ignored',
    async (agent) => {
      const [alice, bob] = [await agent('alice'), await agent('bob')];
      await bob.heartbeat({ status: 'online', instanceId: 'first' });
      await bob.heartbeat({ status: 'online', instanceId: 'second' });
      await bob.setStatus({ status: 'offline', instanceId: 'first' });
      assert.equal((await alice.isOnline('bob')).online, true);
      await bob.setStatus({ status: 'offline', instanceId: 'second' });
      assert.equal((await alice.isOnline('bob')).online, false);
    },
  ),

  having(['heartbeat'], 'a heartbeat is not a message', async (agent) => {
    const bob = await agent('bob');
    await bob.heartbeat({ status: 'online' });
    assert.deepEqual(await bob.poll(), []);
  }),

  having(['isOnline'], 'the presence of an unknown agent is an error', async (agent) => {
    await assertRejects((await agent('alice')).isOnline('nobody'), 'E_NOT_FOUND_AGENT');
  }),

  having(
    ['rotateKey'],
    'a rotation answers a new key, and the same one when it is repeated',
    async (agent) => {
      const alice = await agent('alice');
      const rotated = await alice.rotateKey({ overlapSeconds: 60, idempotencyKey: 'k' });
      // Never compared by assert, which would print them.
      assert.ok(rotated.apiKey.startsWith('sk_'), 'it is a key');
      const left = Date.parse(rotated.previousKeyExpiresAt!) - Date.now();
      assert.ok(left > 0 && left <= 120_000, 'the old key lives on for the overlap');
      const again = await alice.rotateKey({ overlapSeconds: 60, idempotencyKey: 'k' });
      assert.ok(again.apiKey === rotated.apiKey, 'the same key');
      assert.equal(again.previousKeyExpiresAt, rotated.previousKeyExpiresAt);
    },
  ),

  having(
    ['rotateKey'],
    'a rotation is no interruption, and the new key connects',
    async (agent, { unconnected }) => {
      const bob = await agent('bob');
      const { transport: alice, config } = await unconnected('alice');
      await alice.connect(config);
      const { apiKey } = await alice.rotateKey!({ overlapSeconds: 60 });
      await alice.push('bob', 'with the old key');
      await alice.disconnect();
      await alice.connect({ ...config, apiKey });
      await alice.push('bob', 'with the new key');
      assert.deepEqual(contents(await bob.poll()), ['with the old key', 'with the new key']);
    },
  ),

  having(
    ['rotateKey', 'verifyKey'],
    'a key is verified without being used, and one that is not the agent’s is refused',
    async (agent) => {
      const alice = await agent('alice');
      const { apiKey } = await alice.rotateKey({ overlapSeconds: 60 });
      await alice.verifyKey(apiKey);
      const refused = await alice.verifyKey(`${apiKey}0`).then(
        () => assert.fail('a key of nobody is refused'),
        (error) => error,
      );
      assert.ok(isKeyRefused(refused), `an error of a refused key, not ${refused}`);
      assert.deepEqual(await alice.poll(), []);
    },
  ),
];
