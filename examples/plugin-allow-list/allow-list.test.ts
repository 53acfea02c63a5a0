import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, definePlugin, KernelError } from '@cleocode/kernel';
import { expect, it, onTestFinished } from 'vitest';
import allowList from './index.ts';

it.each([
  ['alice', 'done'],
  ['team-blue', 'done'],
  ['mallory', 'dropped'],
  ['alice2', 'dropped'],
  ['my-team-blue', 'dropped'],
  ['Alice', 'dropped'],
])('%s: %s', async (from, status) => {
  const { dispatch, handled } = await started(['alice', 'team-*']);
  expect(await dispatch(from)).toMatchObject({ status });
  expect(handled).toEqual(status === 'done' ? [from] : []);
});

it('lets nobody through while its list is empty, and everybody with *', async () => {
  expect(await (await started([])).dispatch('alice')).toMatchObject({ status: 'dropped' });
  expect(await (await started(['*'])).dispatch('alice')).toMatchObject({ status: 'done' });
});

it.each([
  [{}, 'senders: Invalid input: expected array, received undefined'],
  [{ senders: ['alice', 'b*b'] }, 'senders[1]: an agent id, or its beginning and "*"'],
  [{ senders: ['alice', ''] }, 'senders[1]: an agent id, or its beginning and "*"'],
])('refuses %j', async (options, message) => {
  const kernel = createKernel({ plugins: [allowList(options as { senders: string[] })] });
  const error = await kernel.prepare().catch((thrown) => thrown);
  expect(KernelError.is(error, 'E_PLUGIN_OPTIONS')).toBe(true);
  expect(error.message).toBe(`plugins[0] (cleo-plugin-allow-list).${message}`);
});

async function started(senders: string[]) {
  const handled: string[] = [];
  const handler = definePlugin({
    name: 'handler',
    version: '1.0.0',
    apiVersion: 1,
    setup: (ctx) => void ctx.on('message', ({ message }) => void handled.push(message.from)),
  });
  const kernel = createKernel({
    agent: 'bot',
    transport: new MockTransport(),
    // Behind the handler in the list, and before it all the same: it looks first.
    plugins: [handler(), allowList({ senders })],
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  const dispatch = (from: string) =>
    kernel.dispatch({ id: 'm1', from, content: 'hello', timestamp: '2026-01-01T00:00:00Z' });
  return { handled, dispatch };
}
