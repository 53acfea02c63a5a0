// What indexing costs, and a search for a common and a rare word by an agent that takes part in 1 % of 200,000 messages.
// Run: node packages/signaldock/bench/search.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Dock, openDock } from '@cleocode/signaldock';

const MESSAGES = 200_000;
const CONVERSATIONS = 100;
const WORDS = 5_000;

const folder = mkdtempSync(join(tmpdir(), 'dock-bench-'));
try {
  const file = join(folder, 'dock.db');
  fill(file, await makeConversations(file));
  const dock = await openDock({ file });
  const start = performance.now();
  await dock.indexForSearch();
  const seconds = (performance.now() - start) / 1000;
  console.log(`indexing        ${Math.round(MESSAGES / seconds).toLocaleString('en')} messages/s`);
  for (const q of ['common', 'rare', 'common word7 word8', 'absent'])
    console.log(`search          ${(await searchMs(dock, q)).toFixed(1)} ms for "${q}"`);
  await dock.close();
} finally {
  rmSync(folder, { recursive: true });
}

/** The first of them is the one of `reader`. */
async function makeConversations(file: string): Promise<string[]> {
  const dock = await openDock({ file });
  for (const agentId of ['reader', 'alice', 'bob', 'carol']) await dock.registerAgent({ agentId });
  const ids: string[] = [];
  for (let n = 0; n < CONVERSATIONS; n++) {
    const participants = n === 0 ? ['reader', 'bob'] : ['bob', 'carol'];
    ids.push((await dock.createConversation('alice', { participants })).id);
  }
  await dock.close();
  return ids;
}

function fill(file: string, conversations: string[]): void {
  const db = new DatabaseSync(file);
  const post = db.prepare(
    `INSERT INTO posts (seq, conversation, from_agent, content, content_type, copies, created_at)
     VALUES (?, ?, 'alice', ?, 'text', 1, 1)`,
  );
  const message = db.prepare("INSERT INTO messages (seq, id, post, to_agent) VALUES (?, ?, ?, 'bob')");
  db.exec('BEGIN');
  for (let seq = 1; seq <= MESSAGES; seq++) {
    const content = `common ${seq % 1_000 === 0 ? 'rare ' : ''}${prose()}`;
    post.run(seq, conversations[seq % CONVERSATIONS]!, content);
    message.run(seq, `${seq}`.padStart(36, '0'), seq);
  }
  db.exec('COMMIT');
  db.close();
}

/** Thirty words, few of them often and many seldom. */
function prose(): string {
  return Array.from({ length: 30 }, () => `word${Math.floor(Math.random() ** 3 * WORDS)}`).join(' ');
}

async function searchMs(dock: Dock, q: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    await dock.searchMessages('reader', { q });
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b)[10]!;
}
