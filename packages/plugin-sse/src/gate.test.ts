import { expect, it } from 'vitest';
import { type Arrival, Gate } from './gate.ts';

function gateWith() {
  const passed: string[][] = [];
  const gate = new Gate((arrivals) => passed.push(arrivals.map(({ resumeId }) => resumeId)));
  const arrive = (id: string, content = '') =>
    gate.arrive({ message: { id, content } as Arrival['message'], resumeId: id });
  return { gate, passed, arrive };
}

it('holds what arrives until a catch-up has read everything, and lets the rest through at once', () => {
  const { gate, passed, arrive } = gateWith();
  arrive('1');
  gate.catchUpBegins();
  arrive('2');
  expect([passed, gate.open]).toEqual([[], false]);
  expect(gate.caughtUp()).toBe(true);
  arrive('3');
  expect([passed, gate.open]).toEqual([[['1', '2'], ['3']], true]);
});

it('is not opened by a catch-up that began before it was shut', () => {
  const { gate, passed, arrive } = gateWith();
  gate.catchUpBegins();
  gate.shut();
  arrive('1');
  expect(gate.caughtUp()).toBe(false);
  gate.catchUpBegins();
  expect(gate.caughtUp()).toBe(true);
  expect(passed).toEqual([['1']]);
});

it('leaves to the catch-up what was held when it is shut again', () => {
  const { gate, passed, arrive } = gateWith();
  gate.catchUpBegins();
  gate.caughtUp();
  gate.shut();
  arrive('1');
  gate.shut();
  arrive('2');
  gate.catchUpBegins();
  gate.caughtUp();
  expect(passed).toEqual([['2']]);
});

it.each([
  ['messages', 1_000, ''],
  ['characters', 7, 'x'.repeat(1024 * 1024)],
])('holds a bounded number of %s, and asks for another catch-up beyond', (_, held, content) => {
  const { gate, passed, arrive } = gateWith();
  gate.catchUpBegins();
  const overflows = [];
  for (let n = 1; n <= held + 2; n++) if (arrive(`${n}`, content)) overflows.push(n);
  expect(overflows).toHaveLength(1);
  expect(gate.caughtUp()).toBe(false);
  gate.catchUpBegins();
  gate.caughtUp();
  expect(passed.flat()).toHaveLength(held + 2 - overflows[0]!);
});
