import { CleoError } from '@cleocode/contracts';
import { expect, it } from 'vitest';
import { Condition } from './condition.ts';

function recorded() {
  const events: string[] = [];
  const condition = new Condition('poll', {
    failing: (part, error) => events.push(`${part} failing: ${(error as Error).message}`),
    recovered: (part, failures) => events.push(`${part} recovered after ${failures}`),
  });
  return { condition, events };
}

it('reports the first failure, another kind of failure, and the recovery: once each', () => {
  const { condition, events } = recorded();
  condition.ok();
  condition.fail(new CleoError('E_RATE_LIMIT', 'try again in 10 s'));
  condition.fail(new CleoError('E_RATE_LIMIT', 'try again in 9 s'));
  condition.fail(new TypeError('fetch failed'));
  condition.fail(Object.assign(new Error('read'), { code: 'ECONNRESET' }));
  condition.ok();
  condition.ok();
  expect(events).toEqual([
    'poll failing: try again in 10 s',
    'poll failing: fetch failed',
    'poll failing: read',
    'poll recovered after 4',
  ]);
});

it('keeps the latest error while it fails', () => {
  const { condition } = recorded();
  condition.fail(new Error('one'));
  condition.fail(new Error('two'));
  expect(condition).toMatchObject({ failures: 2, error: { message: 'two' } });
  condition.ok();
  expect(condition).toMatchObject({ failures: 0, error: undefined });
});
