import { CleoError } from '@cleocode/contracts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Acks } from './acks.ts';

let sent: string[][];
let errors: unknown[];
let answer: (signal: AbortSignal) => Promise<void>;
let acks: Acks;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  errors = [];
  answer = async () => {};
  acks = new Acks({
    transport: {
      name: 'fake',
      ack: (ids, { signal } = {}) => {
        sent.push(ids);
        return answer(signal!);
      },
    },
    timeoutMs: 50,
    onError: (error) => errors.push(error),
  });
});

afterEach(() => void vi.useRealTimers());

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const range = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

it('sends what finishes together in one request, 200 at a time', async () => {
  for (const id of range(450)) acks.add(id);
  await after(0);
  expect(sent.map(({ length }) => length)).toEqual([200, 200, 50]);
  expect(sent.flat()).toEqual(range(450));
});

it('tries again what was not heard, and tells of it once', async () => {
  let failures = 2;
  answer = async () => {
    if (failures-- > 0) throw new Error('no network');
  };
  acks.add('1');
  await after(5_000);
  expect([sent, errors]).toEqual([[['1'], ['1'], ['1']], [new Error('no network')]]);
});

it('does not insist on what the backend refuses', async () => {
  answer = () => Promise.reject(new CleoError('E_NOT_FOUND_MESSAGE', 'what?'));
  acks.add('1');
  await after(0);
  answer = async () => {};
  acks.add('2');
  await after(60_000);
  expect(sent).toEqual([['1'], ['2']]);
});

it('waits for an answer no longer than its deadline, and for the last ones no longer than it is given', async () => {
  const signals: AbortSignal[] = [];
  answer = (signal) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  acks.add('1');
  await after(50);
  expect(errors).toMatchObject([{ code: 'E_TRANSPORT_TIMEOUT' }]);
  expect(signals[0]?.aborted).toBe(true);
  const closed = acks.close(20);
  await after(20);
  await closed;
  expect(vi.getTimerCount()).toBe(0);
});
