import type { ConduitMessage } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DirectScan } from './direct-scan.ts';
import { FakeInbox } from './inboxes.test.kit.ts';
import { RecordingTransport } from './transports.test.kit.ts';
import { until } from './until.test.kit.ts';

const COMPLETE = { readAll: true, turnedAway: new Set(), windowFull: false };
const WINDOW_FULL = { readAll: false, turnedAway: new Set(), windowFull: true };

let transport: RecordingTransport;
let inbox: FakeInbox;
let scan: DirectScan;
const signal = new AbortController().signal;

beforeEach(() => {
  transport = new RecordingTransport();
  inbox = new FakeInbox();
  scan = new DirectScan({ transport, inbox, timeoutMs: 1_000 });
});

function deliver(count: number, message: Partial<ConduitMessage> = {}): ConduitMessage[] {
  return Array.from({ length: count }, (_, n) => transport.deliver({ content: String(n), ...message }));
}

describe('paging', () => {
  it('reads page after page past what is not acked yet, to the end', async () => {
    deliver(450);
    expect(await scan.scan(signal)).toEqual(COMPLETE);
    expect(inbox.contents).toEqual(Array.from({ length: 450 }, (_, n) => String(n)));
    expect(transport.polled.map(({ afterSeq }) => afterSeq)).toEqual([undefined, 200, 400]);
  });

  it('goes on after a page that the backend ended early for its size', async () => {
    const poll = transport.poll.bind(transport);
    vi.spyOn(transport, 'poll').mockImplementation((options) => poll({ ...options, limit: 2 }));
    deliver(5, { content: 'x'.repeat(600_000) });
    expect(await scan.scan(signal)).toEqual(COMPLETE);
    expect(inbox.taken).toHaveLength(5);
  });

  it('does not read again what it has handed over', async () => {
    deliver(3);
    await scan.scan(signal);
    deliver(1);
    await scan.scan(signal);
    expect(transport.polled.map(({ afterSeq }) => afterSeq)).toEqual([undefined, 3]);
    expect(inbox.taken).toHaveLength(4);
  });

  it('asks for no more than there is room for', async () => {
    inbox.capacity = 120;
    deliver(80);
    await scan.scan(signal);
    await scan.scan(signal);
    expect(transport.polled.map(({ limit }) => limit)).toEqual([120, 40]);
  });

  it('waits while there is no room, and goes on when there is', async () => {
    inbox.capacity = 50;
    deliver(60);
    const scanning = scan.scan(signal);
    await until(() => inbox.room === 0);
    expect(transport.polled).toHaveLength(1);
    for (const message of [...inbox.inFlight.values()]) inbox.finish(message);
    expect(await scanning).toEqual(COMPLETE);
    expect(inbox.taken).toHaveLength(60);
  });

  it('waits for room worth a request instead of asking for one message at a time', async () => {
    inbox.capacity = 100;
    deliver(150);
    const scanning = scan.scan(signal);
    await until(() => inbox.room === 0);
    for (const message of [...inbox.inFlight.values()]) {
      inbox.finish(message);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await scanning;
    expect(transport.polled.length).toBeLessThanOrEqual(3);
    expect(inbox.taken).toHaveLength(150);
  });

  it('goes on with little room when a message is stuck', async () => {
    inbox.capacity = 10;
    deliver(1);
    await scan.scan(signal);
    deliver(5);
    await scan.scan(signal);
    expect(inbox.taken).toHaveLength(6);
  });

  it('stops waiting for room when its signal aborts', async () => {
    inbox.capacity = 0;
    const abort = new AbortController();
    const scanning = scan.scan(abort.signal);
    abort.abort(new Error('stopping'));
    await expect(scanning).rejects.toThrow('stopping');
  });

  it('tells the inbox where each page begins', async () => {
    deliver(201);
    await scan.scan(signal);
    expect(inbox.pages.map(({ source }) => source)).toEqual([
      { name: 'poll', ackable: true, afterSeq: 0 },
      { name: 'poll', ackable: true, afterSeq: 200 },
    ]);
  });
});

describe('a message the inbox turns away', () => {
  it('holds the cursor before it, while later conversations are read ahead', async () => {
    deliver(2, { threadId: 'free' });
    inbox.stuck.add('full');
    deliver(1, { threadId: 'full' });
    deliver(300, { threadId: 'free' });
    expect(await scan.scan(signal)).toEqual({ ...COMPLETE, turnedAway: new Set(['full']) });
    expect(inbox.taken).toHaveLength(302);
    expect(scan.cursor).toBe(2);
  });

  it('is read first by the next scan', async () => {
    inbox.stuck.add('full');
    deliver(1, { threadId: 'full', content: 'first' });
    deliver(1, { threadId: 'free', content: 'second' });
    await scan.scan(signal);
    inbox.stuck.clear();
    expect(await scan.scan(signal)).toEqual(COMPLETE);
    expect(inbox.contents).toEqual(['second', 'first']);
  });

  it('is not looked past for ever', async () => {
    inbox.capacity = 10_000;
    inbox.stuck.add('full');
    deliver(5_000, { threadId: 'full' });
    expect(await scan.scan(signal)).toMatchObject({ readAll: false, windowFull: false });
    expect(transport.polled).toHaveLength(11);
    expect(scan.cursor).toBe(0);
  });

  it('ends the scan when the inbox as a whole is full', async () => {
    inbox.capacity = 50;
    deliver(100);
    transport.beforePoll = () => {
      inbox.capacity = 10;
    };
    expect(await scan.scan(signal)).toEqual({
      readAll: false,
      turnedAway: new Set(['thread']),
      windowFull: false,
    });
    expect(scan.cursor).toBe(10);
  });
});

describe('reading from the beginning again', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('happens after a reset', async () => {
    deliver(3);
    await scan.scan(signal);
    scan.reset();
    await scan.scan(signal);
    expect(transport.polled.map(({ afterSeq }) => afterSeq)).toEqual([undefined, undefined]);
    expect(inbox.taken).toHaveLength(3);
  });

  it('happens every five minutes, so that a cursor that leads astray does not deafen the agent', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    deliver(3);
    await scan.scan(signal);
    vi.advanceTimersByTime(4 * 60_000);
    await scan.scan(signal);
    vi.advanceTimersByTime(60_001);
    await scan.scan(signal);
    expect(transport.polled.map(({ afterSeq }) => afterSeq)).toEqual([undefined, 3, undefined]);
  });
});

describe('a backend without cursors', () => {
  const without = (count: number) => deliver(count, { seq: undefined });

  beforeEach(() => {
    transport.poll = async ({ limit = 50, afterSeq } = {}) => {
      transport.polled.push({ limit, ...(afterSeq !== undefined && { afterSeq }) });
      return stored.slice(0, limit);
    };
  });
  let stored: ConduitMessage[];

  it('is polled plainly, and only a whole answer is complete', async () => {
    stored = without(3);
    expect(await scan.scan(signal)).toEqual(COMPLETE);
    await scan.scan(signal);
    expect(transport.polled.every(({ afterSeq }) => afterSeq === undefined)).toBe(true);
    stored = without(500);
    expect(await scan.scan(signal)).toEqual(WINDOW_FULL);
  });

  it('is asked for what is in flight and new messages on top, because it shows both', async () => {
    inbox.capacity = 100;
    stored = without(60);
    await scan.scan(signal);
    stored.push(...without(10));
    await scan.scan(signal);
    expect(transport.polled.map(({ limit }) => limit)).toEqual([100, 100]);
    expect(inbox.taken).toHaveLength(70);
  });
});

describe('a transport that misbehaves', () => {
  it('is named when it answers no list', async () => {
    transport.poll = async () => null as never;
    await expect(scan.scan(signal)).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: 'mock: poll did not answer a list of messages',
    });
  });

  it('cannot make the scan go round when it ignores the cursor', async () => {
    const page = deliver(200);
    transport.poll = async () => page;
    const poll = vi.spyOn(transport, 'poll');
    expect(await scan.scan(signal)).toEqual(WINDOW_FULL);
    expect(await scan.scan(signal)).toEqual(WINDOW_FULL);
    expect(poll).toHaveBeenCalledTimes(3);
  });

  it('does not stop the scan with an entry that is no message', async () => {
    deliver(2);
    transport.poll = async () => [null as never, { id: 'x', from: 'y', content: 'z', timestamp: '', seq: 9 }];
    inbox.receive = vi.fn(() => ({ accepted: 1, duplicates: 0, deferred: [] }));
    expect(await scan.scan(signal)).toEqual(COMPLETE);
    expect(scan.cursor).toBe(9);
  });
});
