import { CleoError } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, createLogger, definePlugin } from '@cleocode/kernel';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import rateLimit from './index.ts';

/** The clock of the limit; timers are real. */
let time: number;
beforeEach(() => {
  // Whole milliseconds: a minute later is then a minute, to the last digit.
  time = Math.round(performance.now());
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => time);
  onTestFinished(() => spy.mockRestore());
});

it('drops what is over the limit, tells the sender once, and lets it through again after a minute', async () => {
  const { dispatch, transport } = await started({ perMinute: 2 });
  const over = {
    status: 'dropped',
    reason: 'alice is over the limit of 2 a minute',
  };
  expect(await dispatch(4)).toMatchObject([{ status: 'done' }, { status: 'done' }, over, over]);
  const told = { to: 'alice', content: 'Too many messages. Try again in a minute.' };
  expect(transport.pushed).toMatchObject([told]);
  time += 60_000;
  expect(await dispatch(3)).toMatchObject([{ status: 'done' }, { status: 'done' }, over]);
  expect(transport.pushed).toMatchObject([told, told]);
});

it('answers nothing when told so', async () => {
  const { dispatch, transport } = await started({ perMinute: 1, answer: false });
  expect(await dispatch(2)).toMatchObject([{ status: 'done' }, { status: 'dropped' }]);
  expect(transport.pushed).toEqual([]);
});

it.each([
  ['in a conversation of two there', false, 'thread'],
  ['in a group the sender alone', true, undefined],
])('tells %s', async (_, isGroup, conversationId) => {
  const { dispatch, transport } = await started({ perMinute: 1 });
  await dispatch(2, isGroup);
  expect(transport.pushed.map(({ to }) => to)).toEqual(['alice']);
  expect(transport.pushed[0]?.options.conversationId).toBe(conversationId);
});

it('drops a message also when its sender cannot be told', async () => {
  const { dispatch, transport, warnings } = await started({ perMinute: 1 });
  transport.failNext('push', new CleoError('E_NOT_FOUND_AGENT', 'there is no agent "alice"'));
  expect(await dispatch(2)).toMatchObject([{ status: 'done' }, { status: 'dropped' }]);
  expect(warnings).toEqual(['alice could not be told: there is no agent "alice"']);
});

async function started(options: Parameters<typeof rateLimit>[0]) {
  const transport = new MockTransport();
  const warnings: string[] = [];
  const kernel = createKernel({
    agent: 'bot',
    transport,
    plugins: [rateLimit(options), handler()],
    logger: createLogger('warn', ({ fields, message }) => {
      if (fields.plugin === 'cleo-plugin-rate-limit') warnings.push(message);
    }),
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  let sent = 0;
  /** So many messages from alice, one after another. */
  const dispatch = async (count: number, isGroup = false) => {
    const ends: unknown[] = [];
    for (let n = 0; n < count; n++) {
      const message = {
        id: `m${++sent}`,
        from: 'alice',
        content: 'hello',
        timestamp: '2026-01-01T00:00:00Z',
        threadId: 'thread',
        ...(isGroup && { groupId: `g${sent}` }),
      };
      ends.push(await kernel.dispatch(message));
    }
    return ends;
  };
  return { dispatch, transport, warnings };
}

const handler = definePlugin({
  name: 'handler',
  version: '1.0.0',
  apiVersion: 1,
  setup: (ctx) => void ctx.on('message', () => {}),
});
