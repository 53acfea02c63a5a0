import { deepEqual, equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openStore } from '@cleocode/store';
import type { Workbench } from './workbench.ts';

/** Anything shorter is no key, whatever a header held. */
const SHORTEST = 20;
/** So much of the random part of a key is as good as found. */
const PART = 12;

/**
 * After every scenario: nothing of a key that was ever issued, in any spelling, stands in what was printed, in a file, in an
 * address, in a command line, or in the environment of a child.
 */
export async function noKeyIn(bench: Workbench): Promise<void> {
  const stored = await storedKeys(bench);
  const keys = new Set(
    [...Object.values(stored), ...bench.issued()].filter(({ length }) => length >= SHORTEST),
  );
  allKnown(bench, Object.keys(stored), keys);
  const spelled = new Map([...keys].flatMap((key) => spellings(key).map((spelling) => [spelling, key])));
  if (spelled.size === 0) return;
  const any = new RegExp([...spelled.keys()].map((text) => text.replace(/[^\w\s%]/g, '\\$&')).join('|'), 'i');
  const places: Record<string, string> = {
    'what was printed': bench.outputs,
    'a file': bench.files(),
    'an address': bench.addresses(),
    'a command line or the environment of a child': bench.exposed(),
  };
  for (const [place, text] of Object.entries(places))
    equal(any.exec(text)?.[0].slice(0, PART - 1), undefined, `a key leaked into ${place}`);
}

/** How a key, or enough of it, may look. */
function spellings(key: string): string[] {
  const part = key.replace(/^[a-z]+_[a-z]+_/, '').slice(0, PART);
  const percent = [...Buffer.from(part)].map((byte) => `%${byte.toString(16)}`).join('');
  const hex = Buffer.from(part).toString('hex');
  return [part, encodeURIComponent(part), percent, hex, hex.replace(/..(?!$)/g, '$& '), ...inBase64(key)];
}

/** Wherever in a longer text the key begins, and whichever alphabet that is written in. */
function inBase64(key: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.from(`${' '.repeat(before)}${key}`).toString('base64');
    // Neither what the text before has a part in, nor what the text after has.
    const own = whole.slice(before === 0 ? 0 : before + 1, 28);
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

async function storedKeys({ stateDir, env }: Workbench): Promise<Record<string, string>> {
  if (!existsSync(stateDir)) return {};
  const store = await openStore({ dir: stateDir, dataDir: env.CLEO_DATA_DIR! });
  const credentials = await store.registry.list();
  await store.close();
  return Object.fromEntries(credentials.map(({ agentId, apiKey }) => [agentId, apiKey]));
}

/** The backend has no key of these agents that is not looked for. */
function allKnown({ dockFile }: Workbench, agentIds: readonly string[], keys: ReadonlySet<string>): void {
  if (!existsSync(dockFile)) return;
  const database = new DatabaseSync(dockFile, { readOnly: true });
  const rows = database.prepare('SELECT agent, hash FROM keys').all() as { agent: string; hash: string }[];
  database.close();
  const hashes = new Set([...keys].map((key) => createHash('sha256').update(key).digest('hex')));
  deepEqual(
    rows.filter(({ agent, hash }) => agentIds.includes(agent) && !hashes.has(hash)),
    [],
    'keys that the search does not know',
  );
}
