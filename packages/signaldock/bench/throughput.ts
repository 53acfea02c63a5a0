// push+ack per second at 64 concurrent callers, beside a bare node:sqlite loop that makes the same writes in batches,
// and what a peek costs in an empty store and in one of 1,000,000 messages. Run: node packages/signaldock/bench/throughput.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Dock, openDock } from '@cleocode/signaldock';

const CALLERS = 64;
const MESSAGES = 40_000;
const CONTENT = 'A message of ordinary length, as agents send them to each other, @bob. '.repeat(3);

const folder = mkdtempSync(join(tmpdir(), 'dock-bench-'));
try {
  const bare = await bareLoop(join(folder, 'bare.db'));
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

/** The statements of a push and an ack, in batches as large as the dock's are here, and nothing else. */
async function bareLoop(file: string): Promise<number> {
  await makeDock(file);
  const db = new DatabaseSync(file);
  db.exec('PRAGMA synchronous = FULL');
  const pair = db.prepare('SELECT id FROM conversations WHERE pair = ?');
  const sent = db.prepare('UPDATE agents SET messages_sent = messages_sent + 1 WHERE agent_id = ?');
  const received = db.prepare(
    'UPDATE agents SET messages_received = messages_received + 1 WHERE agent_id = ?',
  );
  const count = db.prepare(
    'UPDATE conversations SET message_count = message_count + 1, last_message_at = ? WHERE id = ?',
  );
  const post = db.prepare(
    `INSERT INTO posts (seq, conversation, from_agent, content, content_type, metadata, copies, created_at)
     VALUES (?, ?, 'alice', ?, 'text', '{"mentions":["bob"]}', 1, ?)`,
  );
  const message = db.prepare("INSERT INTO messages (seq, id, post, to_agent) VALUES (?, ?, ?, 'bob')");
  const read = db.prepare('UPDATE messages SET read_at = ?, delivered_at = ? WHERE id = ?');
  const start = performance.now();
  for (let from = 2; from < MESSAGES; from += CALLERS) {
    const seqs = Array.from({ length: CALLERS }, (_, index) => from + index);
    db.exec('BEGIN IMMEDIATE');
    for (const seq of seqs) {
      const conversation = pair.get('alice bob')!.id as string;
      sent.run('alice');
      received.run('bob');
      count.run(Date.now(), conversation);
      post.run(seq, conversation, CONTENT, Date.now());
      message.run(seq, idOf(seq), seq);
    }
    db.exec('COMMIT; BEGIN IMMEDIATE');
    for (const seq of seqs) read.run(Date.now(), Date.now(), idOf(seq));
    db.exec('COMMIT');
  }
  const seconds = (performance.now() - start) / 1000;
  db.close();
  return seconds;
}

/** A file with the schema, two agents and their conversation. */
async function makeDock(file: string): Promise<void> {
  const dock = await openDock({ file });
  for (const agentId of ['alice', 'bob', 'carol']) await dock.registerAgent({ agentId });
  await dock.send('alice', 'bob', { content: CONTENT });
  await dock.close();
}

function idOf(seq: number): string {
  return `${seq}`.padStart(36, '0');
}

async function peeks(): Promise<void> {
  const stores = [];
  for (const stored of [0, 1_000_000]) {
    const file = join(folder, `peek-${stored}.db`);
    await makeDock(file);
    if (stored > 0) fill(file, stored);
    const dock = await openDock({ file });
    for (let n = 1; n < 50; n++) await dock.send('alice', 'bob', { content: CONTENT });
    stores.push({ stored, dock, full: [] as number[], empty: [] as number[] });
  }
  // In turns, because a shared machine is not equally fast from one second to the next.
  for (let round = 0; round < 40; round++)
    for (const { dock, full, empty } of stores) {
      full.push(await peekMs(dock, 'bob'));
      empty.push(await peekMs(dock, 'carol'));
    }
  for (const { stored, dock, full, empty } of stores) {
    console.log(
      `peek of 50      ${median(full).toFixed(3)} ms with ${stored} stored, of none ${median(empty).toFixed(4)} ms`,
    );
    await dock.close();
  }
  console.log(`peek ratio      ${(median(stores[1]!.full) / median(stores[0]!.full)).toFixed(2)}`);
}

async function peekMs(dock: Dock, agentId: string): Promise<number> {
  const start = performance.now();
  for (let n = 0; n < 50; n++) await dock.peek(agentId);
  return (performance.now() - start) / 50;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
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
  for (let seq = 2; seq <= count; seq++) {
    const toBob = seq % 2 === 0;
    post.run(seq, `c${seq % 500}`, CONTENT);
    message.run(seq, idOf(seq), seq, toBob ? 'bob' : `other-${seq % 100}`, toBob ? 1 : null);
  }
  db.exec('COMMIT');
  db.close();
}

function rate(seconds: number): string {
  return Math.round(MESSAGES / seconds)
    .toLocaleString('en')
    .padStart(7);
}
