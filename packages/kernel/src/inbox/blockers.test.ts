import { afterEach, expect, it, vi } from 'vitest';
import { message, until } from '../kernel.test.kit.ts';
import { startBench } from './inbox.test.kit.ts';

afterEach(() => vi.restoreAllMocks());

/** A clock that handlers may put ahead, as if they had kept it from being looked at. */
function clock() {
  const real = performance.now.bind(performance);
  let ahead = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + ahead);
  const pass = (ms: number): void => {
    ahead += ms;
  };
  return { pass };
}

it('names the plugin whose handler keeps the process, once in its log and for ten minutes among what is wrong', async () => {
  const { pass } = clock();
  const bench = await startBench({
    handlers: [
      () => {},
      async ({ message: { content } }) => {
        if (content === 'heavy') pass(2_000);
      },
    ],
  });
  const handled = async (content: string) => {
    await bench.kernel.dispatch(message({ content }));
    return bench.kernel.inbox.stats();
  };
  const problem = {
    code: 'handler_blocks',
    message: expect.stringMatching(/^a message handler blocked the process: handler-2 for 2\d{3} ms$/),
    hint: 'Nothing else runs meanwhile. Let its plugin do that work in a worker thread or a process of its own.',
  };
  expect((await handled('light')).blocking).toBeUndefined();
  expect(await handled('heavy')).toMatchObject({ done: 2, problems: [], blocking: problem });
  pass(500_000);
  expect((await handled('heavy')).blocking).toEqual(problem);
  pass(590_000);
  expect((await handled('light')).blocking).toEqual(problem);
  const logged = () => bench.log.records.filter(({ fields }) => fields.code === 'handler_blocks');
  expect(logged()).toEqual([
    {
      level: 'warn',
      message: 'a message handler blocked the process',
      fields: { plugin: 'handler-2', code: problem.code, ms: expect.any(Number), hint: problem.hint },
    },
  ]);
  pass(20_000);
  expect((await handled('light')).blocking).toBeUndefined();
  expect((await handled('heavy')).blocking).toEqual(problem);
  expect(logged()).toHaveLength(2);
});

it('names each of several, one that throws too, and not those that wait or come after', async () => {
  const { pass } = clock();
  const bench = await startBench({
    inbox: { maxAttempts: 1 },
    handlers: [
      () => {
        pass(1_500);
        throw new Error('and all for nothing');
      },
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        pass(3_000);
      },
      () => pass(400),
      () => pass(1_000),
    ],
  });
  bench.receive(message());
  await until(() => bench.eventsOf('dead').length === 1);
  expect(bench.kernel.inbox.stats().blocking).toMatchObject({
    message: expect.stringMatching(
      /^message handlers blocked the process: handler-1 for 1\d{3} ms, handler-4 for 1\d{3} ms$/,
    ),
    hint: expect.stringContaining('Let their plugin'),
  });
});
