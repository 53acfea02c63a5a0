import type { ConduitMessage } from '@cleocode/contracts';
import { beforeEach, expect, it } from 'vitest';
import { PushGate } from './push-gate.ts';

let delivered: string[];
let behind: number;
let full: boolean;
let gate: PushGate;

beforeEach(() => {
  delivered = [];
  behind = 0;
  full = false;
  gate = new PushGate({
    deliver(messages) {
      if (!full) delivered.push(...messages.map(({ content }) => content));
      return !full;
    },
    onBehind: () => {
      behind += 1;
    },
  });
});

const push = (content: string) => gate.push({ content } as ConduitMessage);

function scan(complete = true) {
  gate.scanBegins();
  gate.scanEnds(complete);
}

it('lets nothing through before the first scan, and asks for one', () => {
  push('a');
  expect({ delivered, behind }).toEqual({ delivered: [], behind: 1 });
});

it('lets pushes through after a complete scan, also during the next', () => {
  scan();
  push('a');
  gate.scanBegins();
  push('b');
  gate.scanEnds(true);
  expect({ delivered, behind }).toEqual({ delivered: ['a', 'b'], behind: 0 });
});

it('holds what is pushed during the first scan until the scan is complete', () => {
  gate.scanBegins();
  push('a');
  push('b');
  expect(delivered).toEqual([]);
  gate.scanEnds(true);
  expect({ delivered, behind, open: gate.open }).toEqual({ delivered: ['a', 'b'], behind: 0, open: true });
});

it('forgets what it held when the scan was not complete: the next one reads it', () => {
  gate.scanBegins();
  push('a');
  gate.scanEnds(false);
  expect({ delivered, open: gate.open }).toEqual({ delivered: [], open: false });
  scan();
  expect(delivered).toEqual([]);
});

it('holds a hundred messages at most, and asks for another scan beyond', () => {
  gate.scanBegins();
  for (let n = 0; n < 150; n++) push(String(n));
  gate.scanEnds(true);
  expect({ held: delivered.length, behind, open: gate.open }).toEqual({ held: 100, behind: 1, open: false });
});

it('closes when the inbox turns a message away, until a scan is complete again', () => {
  scan();
  full = true;
  push('a');
  full = false;
  push('b');
  expect({ delivered, behind, open: gate.open }).toEqual({ delivered: [], behind: 1, open: false });
  scan(false);
  expect(gate.open).toBe(false);
  scan();
  push('c');
  expect(delivered).toEqual(['c']);
});

it('closes when what it held is turned away', () => {
  gate.scanBegins();
  push('a');
  full = true;
  gate.scanEnds(true);
  expect(gate.open).toBe(false);
});

it('closes when the transport fails', () => {
  scan();
  gate.close();
  push('a');
  expect({ delivered, behind }).toEqual({ delivered: [], behind: 1 });
});
