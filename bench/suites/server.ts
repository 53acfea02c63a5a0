import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openDock } from '@cleocode/signaldock';
import { Pool } from 'undici';
import { backendOf, inBatches, startServer } from '../backend.ts';
import { median, quantile, report, rssOf } from '../measure.ts';

/** What the server costs on top of its framework, what many streams cost, and whether a full store is slower than an empty one. */
const ROUNDS = 5;
const ROUND_MS = 2_000;
const CONNECTIONS = 32;
const STREAMS = 2_000;
const STREAM_SECONDS = 15;
const RATE = 200;
const STORED = 1_000_000;

const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
try {
  await requests();
  await streams();
  await fullStore();
} finally {
  rmSync(folder, { recursive: true });
}
process.disconnect?.();

/** Sends and peeks a second, beside a handler on the same framework that only parses and answers. */
async function requests(): Promise<void> {
  const { file, keys } = await backendOf(folder, 'requests', ['ada', 'bob']);
  const dock = await startServer({ kind: 'dock', file });
  const bare = await startServer({ kind: 'bare' });
  const body = JSON.stringify({ toAgentId: 'bob', content: 'x'.repeat(200) });
  const asAda = { ...headersOf('ada', keys.ada!), 'content-type': 'application/json' };
  const asBob = headersOf('bob', keys.bob!);
  const rates = {
    sendDock: [] as number[],
    sendBare: [] as number[],
    peekDock: [] as number[],
    peekBare: [] as number[],
  };
  for (let round = 0; round < ROUNDS; round++) {
    rates.sendBare.push(await rateOf(bare.url, { path: '/messages', method: 'POST', headers: asAda, body }));
    rates.sendDock.push(await rateOf(dock.url, { path: '/messages', method: 'POST', headers: asAda, body }));
    rates.peekBare.push(
      await rateOf(bare.url, { path: '/messages/peek?limit=10', method: 'GET', headers: asBob }),
    );
    rates.peekDock.push(
      await rateOf(dock.url, { path: '/messages/peek?limit=10', method: 'GET', headers: asBob }),
    );
  }
  await Promise.all([dock.stop(), bare.stop()]);
  const [send, sendBare, peek, peekBare] = [
    median(rates.sendDock),
    median(rates.sendBare),
    median(rates.peekDock),
    median(rates.peekBare),
  ];
  report([
    {
      what: 'server: sends on disk',
      value: send,
      unit: '/s',
      note: `${(send / sendBare).toFixed(2)} of a bare handler`,
    },
    {
      what: 'server: peeks of 10 messages',
      value: peek,
      unit: '/s',
      note: `${(peek / peekBare).toFixed(2)} of a bare handler`,
    },
  ]);
}

/** From a send to its frame on one of many open streams, and what such a stream weighs. */
async function streams(): Promise<void> {
  const agents = Array.from({ length: STREAMS }, (_, index) => `agent-${index}`);
  const { file, keys } = await backendOf(folder, 'streams', ['sender', ...agents]);
  const server = await startServer({ kind: 'dock', file });
  const before = rssOf(server.pid);
  const delays: number[] = [];
  const pool = new Pool(server.url, { connections: STREAMS, bodyTimeout: 0 });
  await inBatches(agents, 100, async (agentId) => {
    const headers = headersOf(agentId, keys[agentId]!);
    const { body } = await pool.request({ path: '/messages/stream', method: 'GET', headers });
    let text = '';
    body.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const sentAt = /"content":"at (\d+\.\d+)"/.exec(text.slice(0, end));
        if (sentAt) delays.push(performance.now() - Number(sentAt[1]));
        text = text.slice(end + 2);
      }
    });
    body.on('error', () => {});
  });
  const perStream = (rssOf(server.pid) - before) / STREAMS;
  const sender = new Pool(server.url, { connections: 8 });
  const headers = { ...headersOf('sender', keys.sender!), 'content-type': 'application/json' };
  const total = RATE * STREAM_SECONDS;
  const started = performance.now();
  const sends: Promise<unknown>[] = [];
  for (let sent = 0; sent < total; sent++) {
    const due = started + (sent / RATE) * 1000 - performance.now();
    if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
    const toAgentId = agents[Math.floor(Math.random() * STREAMS)]!;
    const body = JSON.stringify({ toAgentId, content: `at ${performance.now().toFixed(3)}` });
    sends.push(
      sender
        .request({ path: '/messages', method: 'POST', headers, body })
        .then((answer) => answer.body.dump()),
    );
  }
  await Promise.all(sends);
  for (const deadline = performance.now() + 10_000; delays.length < total && performance.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  if (delays.length !== total) throw new Error(`${delays.length} of ${total} frames arrived`);
  const after = rssOf(server.pid);
  await Promise.all([pool.destroy(), sender.close()]);
  await server.stop();
  const where = `${STREAMS} streams, ${RATE} messages/s`;
  report([
    { what: `server: send to frame, p50 (${where})`, value: quantile(delays, 0.5), unit: 'ms' },
    { what: `server: send to frame, p99 (${where})`, value: quantile(delays, 0.99), unit: 'ms' },
    {
      what: 'server: memory of an idle stream',
      value: perStream / 1024,
      unit: 'KiB',
      note: `${((after - before) / STREAMS / 1024).toFixed(1)} KiB after the load`,
    },
  ]);
}

/** A peek where a million messages are stored, against the same peek where nothing else is. */
async function fullStore(): Promise<void> {
  const empty = await backendOf(folder, 'empty', ['ada', 'bob', 'carol']);
  const full = await backendOf(folder, 'full', ['ada', 'bob', 'carol']);
  fill(full.file, STORED);
  for (const { file } of [empty, full]) {
    const dock = await openDock({ file, retentionDays: 0 });
    for (let n = 0; n < 10; n++) await dock.send('ada', 'bob', { content: `unread ${n}` });
    await dock.close();
  }
  const [a, b] = [
    await startServer({ kind: 'dock', file: empty.file }),
    await startServer({ kind: 'dock', file: full.file }),
  ];
  const times: [number[], number[]] = [[], []];
  const peek = { path: '/messages/peek', method: 'GET' as const };
  const sides = [
    [a, headersOf('bob', empty.keys.bob!)],
    [b, headersOf('bob', full.keys.bob!)],
  ] as const;
  const pools = sides.map(([{ url }]) => new Pool(url, { connections: 1 }));
  for (let n = 0; n < 2_200; n++)
    for (const [side, [, headers]] of sides.entries()) {
      const began = performance.now();
      const { body } = await pools[side]!.request({ ...peek, headers });
      await body.dump();
      if (n >= 200) times[side as 0 | 1].push(performance.now() - began);
    }
  await Promise.all(pools.map((pool) => pool.close()));
  await Promise.all([a.stop(), b.stop()]);
  const ratio = median(times[1]) / median(times[0]);
  report([
    {
      what: 'server: peek with 1,000,000 stored, against an empty store',
      value: ratio,
      unit: '×',
      target: '≤ 1.5',
      met: ratio <= 1.5,
      note: `${median(times[1]).toFixed(2)} ms and ${median(times[0]).toFixed(2)} ms`,
    },
  ]);
}

/** Half of them read long ago, half still unread by somebody else: what a server that was never tidied holds. */
function fill(file: string, count: number): void {
  const db = new DatabaseSync(file);
  db.exec('BEGIN');
  db.exec(`
    INSERT INTO conversations (id, pair, visibility, created_at, updated_at) VALUES ('full', NULL, 'private', 0, 0);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO posts (seq, conversation, from_agent, content, content_type, copies, created_at)
      SELECT i, 'full', 'ada', 'stored message ' || i, 'text', 1, 1700000000000 + i FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO messages (seq, id, post, to_agent, read_at)
      SELECT i, 'id-' || i, i, iif(i % 2, 'bob', 'carol'), iif(i % 2, 1700000000000 + i, NULL) FROM n;
    -- A server that has been up for a while has indexed them for search; doing it meanwhile would be measured too.
    UPDATE search_progress SET seq = ${count};
  `);
  db.exec('COMMIT');
  db.close();
}

interface Request {
  path: string;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body?: string;
}

/** Requests a second over a round, on as many connections as are kept busy. */
async function rateOf(url: string, request: Request): Promise<number> {
  const pool = new Pool(url, { connections: CONNECTIONS });
  let answered = 0;
  const began = performance.now();
  const worker = async () => {
    while (performance.now() - began < ROUND_MS) {
      const { statusCode, body } = await pool.request(request);
      await body.dump();
      if (statusCode >= 300) throw new Error(`${request.path}: ${statusCode}`);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  const seconds = (performance.now() - began) / 1000;
  await pool.close();
  return answered / seconds;
}

function headersOf(agentId: string, apiKey: string): Record<string, string> {
  return { authorization: `Bearer ${apiKey}`, 'x-agent-id': agentId };
}
