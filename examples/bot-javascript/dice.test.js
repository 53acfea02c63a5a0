// @ts-check
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, loadConfig } from '@cleocode/kernel';
import { expect, it, onTestFinished } from 'vitest';
import { roll } from './roll.js';

it.each([
  ['roll d6', '6'],
  [' Roll 3d20 ', '20 + 20 + 20 = 60'],
  ['roll 0d6', 'From 1 to 100 dice, each with 2 sides or more.'],
  ['roll 101d6', 'From 1 to 100 dice, each with 2 sides or more.'],
  ['roll d1', 'From 1 to 100 dice, each with 2 sides or more.'],
  ['roll over', undefined],
])('%s: %s', (text, answer) => {
  expect(roll(text, (sides) => sides)).toBe(answer);
});

it('answers as its configuration says', async () => {
  const { config } = await loadConfig({ cwd: import.meta.dirname });
  const transport = new MockTransport();
  const kernel = createKernel({ ...config, transport });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  const message = { id: 'm1', from: 'alice', content: 'roll 2d6', timestamp: '2026-01-01T00:00:00Z' };
  expect(await kernel.dispatch(message)).toEqual({ status: 'done' });
  expect(transport.pushed).toMatchObject([
    { to: 'alice', content: expect.stringMatching(/^[1-6] \+ [1-6] = \d+$/) },
  ]);
});
