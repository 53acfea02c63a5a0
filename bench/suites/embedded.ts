import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createKernel, definePlugin } from '@cleocode/kernel';
import { poller } from '@cleocode/plugin-poller';
import { openDock } from '@cleocode/signaldock';
import { openStore, store } from '@cleocode/store';
import { LocalTransport, localTransport } from '@cleocode/transport-local';
import { median, report } from '../measure.ts';

/**
 * Push to handler to ack on the embedded backend, everything durable (`synchronous=FULL`), from 64 senders that each wait
 * for their push; beside it a bare node:sqlite loop that makes the same writes to two files in batches of 64.
 */
const SENDERS = 64;
const MESSAGES = 20_000;
const ROUNDS = 3;
const CONTENT = 'A message of ordinary length, as agents send them to each other. '.repeat(3);

const folder = mkdtempSync(join(tmpdir(), 'cleo-bench-'));
const dir = join(folder, '.cleo');
process.env.CLEO_DATA_DIR = join(folder, 'data');
const file = join(dir, 'signaldock.db');
const senders = Array.from({ length: SENDERS }, (_, index) => `sender-${index}`);
await prepare();

const counter = definePlugin({
  name: 'counter',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', () => {});
  },
});
const kernel = createKernel({
  transport: localTransport({ file }),
  plugins: [store({ dir, agent: 'prime' }), poller(), counter()],
  inbox: { concurrency: SENDERS },
});
await kernel.start();
const transports = await Promise.all(
  senders.map(async (agentId) => {
    const transport = new LocalTransport({ file });
    await transport.connect({ agentId });
    return transport;
  }),
);

const ours: number[] = [];
const bare: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  ours.push(await delivered());
  bare.push(bareLoop(join(folder, `bare-${round}`)));
}
await Promise.all(transports.map((transport) => transport.disconnect()));
await kernel.stop();
rmSync(folder, { recursive: true });
report([
  {
    what: `embedded: push → handler → ack, ${SENDERS} senders, durable`,
    value: median(ours),
    unit: 'messages/s',
    target: '≥ 10,000',
    met: median(ours) >= 10_000,
  },
  { what: 'embedded: the same writes in a bare node:sqlite loop', value: median(bare), unit: 'messages/s' },
  {
    what: 'embedded: share of the bare loop',
    value: median(ours.map((rate, index) => rate / bare[index]!)),
    unit: '×',
  },
]);
process.disconnect?.();

async function prepare(): Promise<void> {
  const dock = await openDock({ file });
  const { apiKey } = await dock.registerAgent({ agentId: 'prime' });
  for (const agentId of senders) await dock.registerAgent({ agentId });
  await dock.close();
  const opened = await openStore({ dir });
  await opened.registry.register({ agentId: 'prime', apiKey });
  await opened.close();
}

async function delivered(): Promise<number> {
  const goal = kernel.inbox.stats().done + MESSAGES;
  const started = performance.now();
  await Promise.all(
    transports.map(async (transport, index) => {
      for (let sent = index; sent < MESSAGES; sent += SENDERS) await transport.push('prime', CONTENT);
    }),
  );
  while (kernel.inbox.stats().done < goal || kernel.inbox.stats().unacked > 0)
    await new Promise((resolve) => setTimeout(resolve, 1));
  return MESSAGES / ((performance.now() - started) / 1000);
}

/** The rows a message costs: its post and copy, its journal row begun and done, its copy marked read. */
function bareLoop(path: string): number {
  const dock = open(`${path}-dock.db`, [
    `CREATE TABLE posts (seq INTEGER PRIMARY KEY, conversation TEXT, from_agent TEXT, content TEXT, created_at INTEGER) STRICT`,
    `CREATE INDEX posts_by_conversation ON posts (conversation)`,
    `CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, to_agent TEXT, read_at INTEGER) STRICT`,
    `CREATE INDEX unread ON messages (to_agent, seq) WHERE read_at IS NULL`,
  ]);
  const state = open(`${path}-state.db`, [
    `CREATE TABLE deliveries (n INTEGER PRIMARY KEY, key TEXT UNIQUE, state INTEGER, attempt INTEGER) STRICT`,
  ]);
  const post = dock.prepare('INSERT INTO posts VALUES (?, ?, ?, ?, ?)');
  const copy = dock.prepare(`INSERT INTO messages VALUES (?, ?, 'prime', NULL)`);
  const read = dock.prepare('UPDATE messages SET read_at = ? WHERE id = ?');
  const begin = state.prepare('INSERT INTO deliveries VALUES (?, ?, 0, 1)');
  const done = state.prepare('UPDATE deliveries SET state = 1 WHERE key = ?');
  const started = performance.now();
  for (let from = 1; from <= MESSAGES; from += SENDERS) {
    const ids = Array.from({ length: SENDERS }, () => crypto.randomUUID());
    batch(dock, () => {
      for (const [index, id] of ids.entries()) {
        post.run(from + index, `conversation-${index}`, `sender-${index}`, CONTENT, Date.now());
        copy.run(from + index, id);
      }
    });
    batch(state, () => {
      for (const [index, id] of ids.entries()) begin.run(from + index, id);
    });
    batch(state, () => {
      for (const id of ids) done.run(id);
    });
    batch(dock, () => {
      for (const id of ids) read.run(Date.now(), id);
    });
  }
  const rate = MESSAGES / ((performance.now() - started) / 1000);
  dock.close();
  state.close();
  return rate;
}

function open(path: string, schema: string[]): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${schema.join('; ')}`);
  return database;
}

function batch(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  work();
  database.exec('COMMIT');
}
