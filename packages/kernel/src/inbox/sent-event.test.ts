import type { InboxEvent } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { expect, it } from 'vitest';
import { createKernel } from '../kernel.ts';
import { definePlugin } from '../plugin.ts';

const message = {
  id: 'm1',
  from: 'ada',
  content: 'hello',
  timestamp: '2026-01-01T00:00:00Z',
  threadId: 't1',
};

it('an observer hears what a handler answered, once the backend has it', async () => {
  const answer = definePlugin({
    name: 'answer',
    version: '1.0.0',
    apiVersion: 1,
    setup(ctx) {
      ctx.on('message', (delivery) => delivery.reply('hello back'));
    },
  });
  const kernel = createKernel({ agent: 'bob', transport: new MockTransport(), plugins: [answer()] });
  const sent: InboxEvent[] = [];
  kernel.inbox.observe((event) => {
    if (event.type === 'sent') sent.push(event);
  });
  await kernel.start();
  await kernel.dispatch(message);
  await kernel.stop();
  expect(sent).toEqual([
    { type: 'sent', message, to: 'ada', content: 'hello back', messageId: expect.any(String) },
  ]);
});

it('a kernel says whether some plugin handles messages', async () => {
  const named = (name: string, order?: 'pre') =>
    definePlugin({
      name,
      version: '1.0.0',
      apiVersion: 1,
      setup(ctx) {
        ctx.on('message', () => {}, order ? { order } : {});
      },
    })();
  const looking = createKernel({ agent: 'bob', plugins: [named('filter', 'pre')] });
  const handling = createKernel({ agent: 'bob', plugins: [named('handler')] });
  await Promise.all([looking.prepare(), handling.prepare()]);
  expect(looking.describe().handlesMessages).toBe(false);
  expect(handling.describe().handlesMessages).toBe(true);
});
