import { expect, it } from 'vitest';
import { started, until } from './create-runtime.test.kit.ts';

it('hears', async () => {
  const { handle, transport, log } = await started();
  const seen: string[] = [];
  handle.poller.onMessage((message) => void seen.push(message.content));
  const { id } = transport.deliver({ content: 'hi' });
  await until(() => expect(transport.acked).toEqual([id]));
  expect(seen).toEqual(['hi']);
});
