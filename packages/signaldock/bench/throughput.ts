// push+ack per second at 64 concurrent callers, beside a bare node:sqlite loop that makes the same writes in batches,
// and what a peek costs in an empty store and in one of 1,000,000 messages. Run: node packages/signaldock/bench/throughput.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openDock } from '@cleocode/signaldock';
import { newId } from '../src/ids.ts';
import { MIGRATIONS } from '../src/schema.ts';

const CALLERS = 64;
const MESSAGES = 40_000;
const CONTENT = 'A message of ordinary length, as agents send them to each other, @bob. '.repeat(3);

const folder = mkdtempSync(join(tmpdir(), 'dock-bench-'));
try {
  const bare = bareLoop(join(folder, 'bare.db'));
  console.log(`bare loop       ${rate(bare)} push+ack/s`);
  const dock = await openDock({ file: join(folder, 'dock.db') });
  for (const agentId of ['alice', 'bob']) await dock.registerAgent({ agentId });
  const own = await callers(async () => {
    const { id } = await dock.send('alice', 'bob', { content: CONTENT });
    await dock.ack('bob', [id]);
  });
  console.log(`dock            ${rate(own)} push+ack/s, ${(bare / own).toFixed(2)} of the bare loop`);
  const keyed = await callers(async (n) => {
    const { id } = await dock.send('alice', 'bob', { content: CONTENT }, { idempotencyKey: `k${n}` });
    await dock.ack('bob', [id]);
  });
  console.log(`with a key      ${rate(keyed)} push+ack/s`);
  await dock.close();
  await peeks();
} finally {
  rmSync(folder, { recursive: true });
}

/** Seconds for {@link MESSAGES} calls, {@link CALLERS} of them at a time. */
async function callers(call: (n: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let next = 0;
  const caller = async () => {
    while (next < MESSAGES) await call(next++);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (performance.now() - start) / 1000;
}

function bareLoop(file: string): number {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  for (const script of MIGRATIONS) db.exec(script);
  const post = db.prepare(
    `INSERT INTO posts (seq, conversation, from_agent, content, content_type, metadata, copies, created_at)
     VALUES (?, 'c', 'alice', ?, 'text', '{"mentions":["bob"]}', 1, ?)`,
  );
  const message = db.prepare('INSERT INTO messages (seq, id, post, to_agent) VALUES (?, ?, ?, ?)');
  const read = db.prepare('UPDATE messages SET read_at = ?, delivered_at = ? WHERE id = ?');
  const start = performance.now();
  for (let from = 1; from <= MESSAGES; from += CALLERS) {
    const ids = Array.from({ length: CALLERS }, () => newId(Date.now()));
    db.exec('BEGIN IMMEDIATE');
    for (const [index, id] of ids.entries()) {
      post.run(from + index, CONTENT, Date.now());
      message.run(from + index, id, from + index, 'bob');
    }
    db.exec('COMMIT; BEGIN IMMEDIATE');
    for (const id of ids) read.run(Date.now(), Date.now(), id);
    db.exec('COMMIT');
  }
  const seconds = (performance.now() - start) / 1000;
  db.close();
  return seconds;
}

async function peeks(): Promise<void> {
  const times = [];
  for (const stored of [0, 1_000_000]) {
    const file = join(folder, `peek-${stored}.db`);
    const dock = await openDock({ file });
    for (const agentId of ['alice', 'bob', 'carol']) await dock.registerAgent({ agentId });
    if (stored > 0) fill(file, stored);
    for (let n = 0; n < 50; n++) await dock.send('alice', 'bob', { content: CONTENT });
    const start = performance.now();
    for (let n = 0; n < 2_000; n++) await dock.peek('bob');
    times.push((performance.now() - start) / 2_000);
    const empty = performance.now();
    for (let n = 0; n < 2_000; n++) await dock.peek('carol');
    console.log(
      `peek of 50      ${times.at(-1)!.toFixed(3)} ms with ${stored} stored, of none ${((performance.now() - empty) / 2_000).toFixed(4)} ms`,
    );
    await dock.close();
  }
  console.log(`peek ratio      ${(times[1]! / times[0]!).toFixed(2)}`);
}

/** Read messages to bob and unread ones to others, in equal parts. */
function fill(file: string, count: number): void {
  const db = new DatabaseSync(file);
  const post = db.prepare(
    `INSERT INTO posts (seq, conversation, from_agent, content, content_type, copies, created_at)
     VALUES (?, ?, 'alice', ?, 'text', 1, 1)`,
  );
  const message = db.prepare(
    'INSERT INTO messages (seq, id, post, to_agent, delivered_at, read_at) VALUES (?, ?, ?, ?, 1, ?)',
  );
  db.exec('BEGIN');
  for (let seq = 1; seq <= count; seq++) {
    const toBob = seq % 2 === 0;
    post.run(seq, `c${seq % 500}`, CONTENT);
    message.run(seq, newId(Date.now()), seq, toBob ? 'bob' : `other-${seq % 100}`, toBob ? 1 : null);
  }
  db.exec('COMMIT');
  db.close();
}

function rate(seconds: number): string {
  return Math.round(MESSAGES / seconds)
    .toLocaleString('en')
    .padStart(7);
}
