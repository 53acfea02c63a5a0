import {
  type ConduitMessage,
  type IntakeSource,
  MAX_CONTENT_BYTES,
  type PollOptions,
} from '@cleocode/contracts';
import { beforeEach, expect, it } from 'vitest';
import { catchUp } from './catch-up.ts';

let unread: ConduitMessage[];
let polled: PollOptions[];
let pages: { seqs: (number | undefined)[]; source: IntakeSource }[];
let room: number;
/** Messages that are turned away. */
let refused: Set<number>;

beforeEach(() => {
  unread = [];
  polled = [];
  pages = [];
  room = 10_000;
  refused = new Set();
});

const message = (seq: number | undefined, content = 'x'): ConduitMessage => ({
  id: `m${seq}`,
  from: 'alice',
  content,
  timestamp: '',
  ...(seq !== undefined && { seq }),
});

const inbox = {
  get room() {
    return room;
  },
  receive(messages: readonly ConduitMessage[], source: IntakeSource) {
    pages.push({ seqs: messages.map(({ seq }) => seq), source });
    const deferred = messages.filter(({ seq }) => refused.has(seq ?? 0));
    return { accepted: messages.length - deferred.length, duplicates: 0, deferred };
  },
};

const transport = {
  name: 'fake',
  async poll(options: PollOptions = {}): Promise<ConduitMessage[]> {
    polled.push(options);
    return unread.filter(({ seq = 0 }) => seq > (options.afterSeq ?? 0) || seq === 0).slice(0, options.limit);
  },
};

const run = (from = 0, timeoutMs = 1_000, signal = new AbortController().signal) =>
  catchUp({ transport, inbox, timeoutMs }, from, signal);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const cursors = () => pages.map(({ source }) => source.afterSeq);

it('hands over everything unread, in pages that say where they begin', async () => {
  unread = range(1, 450).map((seq) => message(seq));
  expect(await run()).toEqual({ readAll: true, turnedAway: false });
  expect(pages.flatMap(({ seqs }) => seqs)).toEqual(range(1, 450));
  expect(pages.map(({ source }) => source)).toEqual(
    [0, 200, 400].map((afterSeq) => ({ name: 'sse', ackable: true, afterSeq })),
  );
  expect(polled.map(({ afterSeq, limit }) => [afterSeq, limit])).toEqual([
    [undefined, 200],
    [200, 200],
    [400, 200],
  ]);
});

it('begins where it is told to', async () => {
  unread = range(1, 5).map((seq) => message(seq));
  await run(3);
  expect(pages).toEqual([{ seqs: [4, 5], source: { name: 'sse', ackable: true, afterSeq: 3 } }]);
});

it('takes a short page of large messages for no end', async () => {
  const large = 'x'.repeat(MAX_CONTENT_BYTES);
  transport.poll = async ({ afterSeq = 0 } = {}) =>
    afterSeq === 0 ? [message(1, large)] : afterSeq === 1 ? [message(2)] : [];
  expect(await run()).toEqual({ readAll: true, turnedAway: false });
  expect(pages.map(({ seqs }) => seqs)).toEqual([[1], [2]]);
});

it('reads past what is turned away, and says no more that nothing is missing before', async () => {
  transport.poll = pollUnread;
  unread = range(1, 500).map((seq) => message(seq));
  refused = new Set([7]);
  expect(await run()).toEqual({ readAll: true, turnedAway: true });
  expect(cursors()).toEqual([0, undefined, undefined]);
});

it('reads ten pages past it at most', async () => {
  unread = range(1, 10_000).map((seq) => message(seq));
  refused = new Set([7]);
  expect(await run()).toEqual({ readAll: false, turnedAway: true });
  expect(pages).toHaveLength(11);
});

it('asks for nothing while the inbox has no room', async () => {
  room = 0;
  expect(await run()).toEqual({ readAll: false, turnedAway: false });
  expect(polled).toEqual([]);
});

it('cannot tell where a backend without cursors ends when it shows as much as was asked for', async () => {
  unread = Array.from({ length: 200 }, () => message(undefined));
  expect(await run()).toEqual({ readAll: false, turnedAway: false });
  expect(polled).toHaveLength(1);
  unread.pop();
  expect(await run()).toEqual({ readAll: true, turnedAway: false });
});

it('fails as the transport fails, at its deadline, or with the reason of its signal', async () => {
  const signals: AbortSignal[] = [];
  transport.poll = ({ signal } = {}) => {
    signals.push(signal!);
    return new Promise(() => {});
  };
  await expect(run(0, 20)).rejects.toMatchObject({ code: 'E_TRANSPORT_TIMEOUT', retryable: true });
  const stop = new AbortController();
  const stopped = run(0, 1_000, stop.signal);
  stop.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  transport.poll = async () => ({ messages: [] }) as never;
  await expect(run()).rejects.toMatchObject({ code: 'E_TRANSPORT_INVALID' });
});

const pollUnread = transport.poll;
