import { Readable } from 'node:stream';
import { seeded } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import { Connection, type StreamEvent } from './connection.ts';
import { PATIENT, Recorder, readAll, requestTo, STREAM, stubServer } from './stub.test.kit.ts';

type Expected = [data: string, id?: string][];

/** The cases of the WHATWG's tests that are about the format. Of an event: its data, and the id to go on after. */
const FORMAT: [name: string, bytes: string | Uint8Array, events: Expected, retries?: number[]][] = [
  ['event-data', 'data:msg\ndata: msg\n\n:\n\ndata\n\n\n\ndata:end\n\n', [['msg\nmsg'], [''], ['end']]],
  ['format-bom', '\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n', [['1'], ['3']]],
  ['format-bom-2', '\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n', [['2'], ['3']]],
  [
    'format-comments',
    `data:1\r:\0\n:\r\ndata:2\n:${'x'.repeat(2_048)}\rdata:3\n:data:fail\r:${'x'.repeat(2_048)}\ndata:4\n\n`,
    [['1\n2\n3\n4']],
  ],
  [
    'format-data-before-final-empty-line',
    'retry:1000\ndata:test1\n\nid:test\ndata:test2',
    [['test1']],
    [1_000],
  ],
  ['format-field-data', 'data:\n\ndata\ndata\n\ndata:test\n\n', [[''], ['\n'], ['test']]],
  ['format-field-event-empty', 'event: \ndata:data\n\n', [['data']]],
  [
    'format-field-id',
    'id:1\ndata:1\n\ndata:2\n\n',
    [
      ['1', '1'],
      ['2', '1'],
    ],
  ],
  ['format-field-id-2', 'id\ndata:hello\n\ndata:again\n\n', [['hello'], ['again']]],
  [
    'format-field-id-3',
    'id:1\ndata:1\n\nid\ndata:2\n\n',
    [
      ['1', '1'],
      ['2', ''],
    ],
  ],
  [
    'format-field-id-null',
    'id:1\0\ndata:1\n\nid:2\ndata:2\n\nid:\u00003\ndata:3\n\n',
    [['1'], ['2', '2'], ['3', '2']],
  ],
  [
    'format-field-parsing',
    'data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n',
    [['\0\n 2\n1\n3\n\n4']],
  ],
  ['format-field-retry', 'retry:3000\ndata:x\n\n', [['x']], [3_000]],
  ['format-field-retry-bogus', 'retry:3000\nretry:1000x\ndata:x\n\n', [['x']], [3_000]],
  ['format-field-retry-empty', 'retry\nretry:\nretry: 7\ndata:test\n\n', [['test']], [7]],
  [
    'format-field-unknown',
    'data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n',
    [['test\n\ntest']],
  ],
  ['format-leading-space', 'data:\ttest\rdata: \ndata:test\n\n', [['\ttest\n\ntest']]],
  ['format-newlines', 'data:test\r\ndata\ndata:test\r\n\r', [['test\n\ntest']]],
  ['format-null-character', 'data:\0\n\n\n\n', [['\0']]],
  ['format-utf-8', 'data:ok…\n\n', [['ok…']]],
  [
    'format-utf-8, malformed',
    Buffer.from([...Buffer.from('data:a'), 0xff, ...Buffer.from('b\n\n')]),
    [['a\uFFFDb']],
  ],
  ['an id without data is kept', 'id:7\n\ndata:x\n\n', [['x', '7']]],
  ['an id may hold anything but NUL', 'id: …é 7\ndata:x\n\n', [['x', '…é 7']]],
  ['an empty stream', '', []],
];

describe('the format of an event stream', () => {
  it.each(FORMAT)('%s', async (_, bytes, events, retries = []) => {
    const server = await stubServer((response) => {
      response.writeHead(200, STREAM);
      response.end(bytes);
    });
    const { error, recorder } = await readAll(server.url);
    expect(recorder.events.map(({ data, resumeId }) => [data, resumeId])).toEqual(
      events.map(([data, id = '']) => [data, id]),
    );
    expect(recorder.retries).toEqual(retries);
    expect(error).toMatchObject({ code: 'E_STREAM_ENDED', retryable: true });
  });

  it('an event of another name is not mistaken for a message (format-field-event)', async () => {
    const server = await stubServer((response) => {
      response.writeHead(200, STREAM);
      response.end('event:test\ndata:x\n\nevent:error\ndata:x\n\nevent:open\ndata:x\n\ndata:y\n\n');
    });
    const { error, recorder } = await readAll(server.url);
    expect(recorder.events.map(({ data }) => data)).toEqual(['y']);
    expect(error.code).toBe('E_STREAM_ENDED');
  });

  it.each([
    ['text/event-stream;charset=windows-1251', true],
    ['Text/Event-Stream ; x', true],
    ['text/event-stream', true],
    ['text/event-streamx', false],
    ['x text/event-stream', false],
    ['text/event-stream, text/html', false],
    ['text/plain', false],
    ['text/html; charset=utf-8', false],
    [undefined, false],
  ])('the type %s is a stream: %s (format-mime)', async (type, good) => {
    const server = await stubServer((response) => {
      if (type !== undefined) response.setHeader('content-type', type);
      response.end(Buffer.from('data:ok…\n\n'));
    });
    const { error, recorder } = await readAll(server.url);
    expect(recorder.events.map(({ data }) => data)).toEqual(good ? ['ok…'] : []);
    expect(error.code).toBe(good ? 'E_STREAM_ENDED' : 'E_TRANSPORT_INVALID');
    if (!good) expect(error.message).toContain(type ?? 'nothing');
  });

  it('tells which events bring an id of their own', async () => {
    const server = await stubServer((response) => {
      response.writeHead(200, STREAM);
      response.end('id:1\ndata:a\n\ndata:b\n\nid:2\ndata:c\n\nid\ndata:d\n\nid:2\ndata:e\n\n');
    });
    const { recorder } = await readAll(server.url);
    expect(recorder.events.map(({ id, resumeId }) => [id, resumeId])).toEqual([
      ['1', '1'],
      [undefined, '1'],
      ['2', '2'],
      [undefined, ''],
      ['2', '2'],
    ]);
  });
});

/** What makes splitting hard: a BOM, all kinds of line ends, characters of many bytes, fields of every kind. */
const RICH = Buffer.from(
  [
    '\uFEFFid: 1\r\ndata: erste Zeile – “ünïcödé” 🙂\r\ndata: zweite\r\n\r\n',
    ': ein Kommentar 🙂\nretry: 1500\n\n',
    'event: message\rid: 2\rdata: {"content":"\u2028漢字"}\r\r',
    'event: heartbeat\ndata: {}\n\n',
    'id: 3…\ndata:x\ndata\ndata: y\n\n\n',
    'event: resync\ndata: {"reason":"replay_limit"}\r\n\n',
    'bogus: field\nid\ndata: last\n\ndata: never finished',
  ].join(''),
);

async function eventsOf(chunks: Uint8Array[]): Promise<{ events: StreamEvent[]; retries: number[] }> {
  const recorder = new Recorder();
  const url = new URL('http://127.0.0.1/stream');
  const open = async () => ({ url, body: Readable.from(chunks), close: async () => {} });
  await new Connection(requestTo(url.href), PATIENT, recorder, open).run(new AbortController().signal);
  return { events: recorder.events, retries: recorder.retries };
}

describe('a stream in pieces', () => {
  it('of one byte each has the same events as in one piece', async () => {
    const whole = await eventsOf([RICH]);
    expect(whole.events.map(({ data }) => data)).toEqual([
      'erste Zeile – “ünïcödé” 🙂\nzweite',
      '{"content":"\u2028漢字"}',
      'x\n\ny',
      '{"reason":"replay_limit"}',
      'last',
    ]);
    expect(whole.retries).toEqual([1_500]);
    expect(await eventsOf([...RICH].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it('has the same events, wherever the one cut is', async () => {
    const three = Buffer.from(
      '\uFEFFid: 1\r\ndata: ü\r\n\r\nid: 2\rdata: 漢🙂\r\rid: 3\ndata: x\ndata: y\n\n',
    );
    const whole = await eventsOf([three]);
    expect(whole.events).toHaveLength(3);
    for (let cut = 1; cut < three.length; cut++)
      expect(await eventsOf([three.subarray(0, cut), three.subarray(cut)]), `cut at ${cut}`).toEqual(whole);
  });

  it('has the same events in 10,000 random splits', { timeout: 120_000 }, async () => {
    const whole = await eventsOf([RICH]);
    const random = seeded(7);
    for (let round = 0; round < 10_000; round++) {
      const chunks: Uint8Array[] = [];
      const longest = 1 + Math.floor(random() * 40);
      for (let at = 0; at < RICH.length; ) {
        const size = 1 + Math.floor(random() * longest);
        chunks.push(RICH.subarray(at, at + size));
        at += size;
      }
      const { events, retries } = await eventsOf(chunks);
      if (JSON.stringify({ events, retries }) !== JSON.stringify(whole))
        expect({ events, retries }, `round ${round}`).toEqual(whole);
    }
  });
});
