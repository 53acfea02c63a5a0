import { expect, it } from 'vitest';
import { hopsOf, nextHop } from './hops.ts';

it('counts the hops that the metadata says', () => {
  expect(hopsOf({ metadata: { cleo: { hops: 3 } } })).toBe(3);
  expect(hopsOf({ metadata: nextHop(3) })).toBe(4);
});

it.each([
  [undefined],
  [{}],
  [{ cleo: null }],
  [{ cleo: 'x' }],
  [{ cleo: [] }],
  [{ cleo: { hops: -1 } }],
  [{ cleo: { hops: 1.5 } }],
  [{ cleo: { hops: '7' } }],
  [{ cleo: { hops: Number.NaN } }],
  [{ cleo: { hops: 1e300 } }],
  [null],
  ['text'],
])('counts none in %j', (metadata) => {
  expect(hopsOf({ metadata: metadata as never })).toBe(0);
});

it('never counts to where numbers stop being exact', () => {
  const most = hopsOf({ metadata: { cleo: { hops: Number.MAX_SAFE_INTEGER } } });
  expect(hopsOf({ metadata: nextHop(most) })).toBe(most);
});
