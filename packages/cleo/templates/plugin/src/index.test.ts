import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pluginContract, testKernel } from '@cleocode/kernel/testing';
import template from './index.ts';

describe('the contract of a plugin', () => {
  const rules = pluginContract(template, {
    options: { everyMs: 100 },
    // By the path that the error must name.
    invalidOptions: { question: { question: '' }, everyMs: { everyMs: 'often' } },
    message: { content: 'how are you?' },
  });
  for (const { name, run } of rules) test(name, run);
});

test('answers the question, and nothing else', async (t) => {
  const bot = await testKernel({ agent: 'bob', plugins: [template({ question: 'all well?' })] });
  t.after(() => bot.stop());
  assert.deepEqual(await bot.deliver('good morning'), { status: 'done' });
  assert.deepEqual(await bot.deliver({ from: 'ada', content: 'all well?' }), { status: 'done' });
  const answers = bot.transport.pushed.map(({ to, content }) => ({ to, content }));
  assert.deepEqual(answers, [{ to: 'ada', content: 'bob is well: 1 done, 0 waiting' }]);
});

test('logs now and then how much was done', async (t) => {
  const bot = await testKernel({ plugins: [template({ everyMs: 5_000 })], fakeClock: true });
  t.after(() => bot.stop());
  await bot.deliver();
  await bot.advance(10_000);
  assert.deepEqual(
    bot.logged('so far').map(({ message }) => message),
    ['so far: 1 done, 0 waiting', 'so far: 1 done, 0 waiting'],
  );
});

test('ends in time, whatever it is doing', async () => {
  const bot = await testKernel({ plugins: [template()] });
  const report = await bot.stop();
  assert.deepEqual(report.forced, []);
});
