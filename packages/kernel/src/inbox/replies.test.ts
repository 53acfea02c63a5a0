import { CleoError } from '@cleocode/contracts';
import { expect, it } from 'vitest';
import type { Delivery } from '../index.ts';
import { gate, message, plugin, rejection, until } from '../kernel.test.kit.ts';
import { startBench } from './inbox.test.kit.ts';

const QUICK = { retryBaseMs: 1, retryMaxMs: 1 };

it('replies to the sender, or into the conversation the message came from', async () => {
  const bench = await startBench({ handlers: [(delivery) => delivery.reply('hi')] });
  bench.receive([
    message({ id: 'direct', from: 'ann' }),
    message({ id: 'in group', from: 'bob', threadId: 'group', groupId: 'g1' }),
  ]);
  await until(() => bench.transport.pushed.length === 2);
  expect(bench.transport.pushed).toEqual([
    {
      to: 'ann',
      content: 'hi',
      options: {
        replyTo: 'direct',
        idempotencyKey: 'direct:handler-1:1',
        metadata: { cleo: { hops: 1 } },
        signal: expect.any(AbortSignal),
      },
    },
    {
      to: 'bob',
      content: 'hi',
      options: {
        replyTo: 'in group',
        conversationId: 'group',
        idempotencyKey: 'g1:handler-1:1',
        metadata: { cleo: { hops: 1 } },
        signal: expect.any(AbortSignal),
      },
    },
  ]);
});

it('can be taken apart by its handler', async () => {
  const bench = await startBench({
    handlers: [
      async ({ message: { content }, reply, send, drop }) => {
        await reply(`${content} to you`);
        await send('carol', content);
        drop('said');
      },
    ],
  });
  bench.receive(message({ id: 'm', from: 'ann', content: 'hello' }));
  await until(() => bench.events.some(({ type }) => type === 'dropped'));
  expect(bench.transport.pushed.map(({ to, content }) => [to, content])).toEqual([
    ['ann', 'hello to you'],
    ['carol', 'hello'],
  ]);
});

it('sends to another agent and answers with the id the backend gave', async () => {
  const sent: unknown[] = [];
  const bench = await startBench({
    handlers: [async (delivery) => void sent.push(await delivery.send('carol', 'look'))],
  });
  bench.receive(message({ id: 'm', threadId: 'thread' }));
  await until(() => sent.length === 1);
  expect(sent).toEqual([{ messageId: expect.any(String) }]);
  expect(bench.transport.pushed).toMatchObject([
    { to: 'carol', content: 'look', options: { idempotencyKey: 'm:handler-1:1' } },
  ]);
  expect(bench.transport.pushed[0]!.options).not.toHaveProperty('conversationId');
});

it('gives the n-th send of each handler the same key in every attempt, and no two sends the same', async () => {
  const talk = async (delivery: Delivery) => {
    await delivery.reply('one');
    await delivery.send('carol', 'two');
    if (delivery.attempt < 3) throw new Error('not yet');
  };
  const both = plugin('both', (ctx) => {
    ctx.on('message', talk);
    ctx.on('message', talk);
  });
  const bench = await startBench({ handlers: [talk], plugins: [both], inbox: QUICK });
  bench.receive(message({ id: 'm' }));
  await until(() => bench.eventsOf('done').length === 1);
  const keys = bench.transport.pushed.map(({ options }) => options.idempotencyKey);
  const attempt = [
    ...['m:handler-1:1', 'm:handler-1:2'],
    ...['m:both:1', 'm:both:2'],
    ...['m:both/2:1', 'm:both/2:2'],
  ];
  expect(keys).toEqual([...attempt, ...attempt, ...attempt]);
});

it('tells two instances of one plugin apart in their keys', async () => {
  const twin = () => plugin('twin', (ctx) => void ctx.on('message', (delivery) => delivery.reply('hi')));
  const bench = await startBench({ plugins: [twin(), twin()] });
  bench.receive(message({ id: 'm' }));
  await until(() => bench.transport.pushed.length === 2);
  expect(bench.transport.pushed.map(({ options }) => options.idempotencyKey)).toEqual([
    'm:twin:1',
    'm:twin#2:1',
  ]);
});

it('passes the error of the transport to the handler that sends', async () => {
  const errors: unknown[] = [];
  const bench = await startBench({
    handlers: [async (delivery) => void errors.push(await rejection(delivery.reply('hi')))],
  });
  const cause = new CleoError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 10 });
  bench.transport.failNext('push', cause);
  bench.receive(message());
  await until(() => errors.length === 1);
  expect(errors[0]).toBe(cause);
});

it('refuses what a handler sends after its deadline, whatever ended it', async () => {
  const late = gate();
  const refusals: unknown[] = [];
  const bench = await startBench({
    handlers: [
      [
        async (delivery) => {
          if (delivery.attempt > 1) return;
          await late.passed;
          refusals.push(
            await rejection(delivery.reply('too late')),
            await rejection(delivery.send('x', 'y')),
          );
        },
        { timeoutMs: 5 },
      ],
    ],
    inbox: QUICK,
  });
  bench.receive(message());
  await until(() => bench.eventsOf('done').length === 1);
  late.open();
  await until(() => refusals.length === 2);
  for (const refusal of refusals)
    expect(refusal).toMatchObject({
      code: 'E_DELIVERY_OVER',
      message: 'handler-1: this delivery is over, nothing more is sent for it',
      hint: 'Watch delivery.signal and stop when it aborts.',
      plugin: 'handler-1',
      phase: 'message',
      cause: { code: 'E_HANDLER_TIMEOUT' },
    });
  expect(bench.transport.pushed).toEqual([]);
});

it.each([0, '', false, null, undefined])(
  'refuses what a handler sends after it failed, even when it threw %o',
  async (thrown) => {
    const refusals: unknown[] = [];
    const bench = await startBench({
      handlers: [
        (delivery) => {
          void Promise.resolve().then(async () => refusals.push(await rejection(delivery.reply('late'))));
          throw thrown;
        },
      ],
      inbox: { maxAttempts: 1 },
    });
    bench.receive(message());
    await until(() => refusals.length === 1);
    expect(refusals).toMatchObject([{ code: 'E_DELIVERY_OVER' }]);
    expect(bench.transport.pushed).toEqual([]);
  },
);

it('cuts a send short when the handler that waits for it is out of time', async () => {
  const aborted: unknown[] = [];
  const bench = await startBench({
    handlers: [[(delivery) => delivery.reply('hi'), { timeoutMs: 5 }]],
    inbox: { maxAttempts: 1 },
  });
  bench.transport.push = (_to, _content, { signal } = {}) =>
    new Promise((_, reject) =>
      signal!.addEventListener('abort', () => {
        aborted.push(signal!.reason);
        reject(signal!.reason);
      }),
    );
  bench.receive(message());
  await until(() => aborted.length === 1);
  expect(aborted).toMatchObject([{ code: 'E_HANDLER_TIMEOUT' }]);
});

it('says what is missing when a handler sends without a transport', async () => {
  const errors: unknown[] = [];
  const bench = await startBench({
    transport: undefined,
    handlers: [async (delivery) => void errors.push(await rejection(delivery.reply('hi')))],
  });
  bench.receive(message());
  await until(() => errors.length === 1);
  expect(errors).toMatchObject([
    {
      code: 'E_SERVICE_MISSING',
      message: 'nothing can be sent: no plugin provides the service "transport"',
      hint: 'Set "transport" in the configuration.',
    },
  ]);
});
