import { ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { openStore } from '@cleocode/store';
import type { Workbench } from './workbench.ts';

/** After every scenario: no agent's key, in any spelling, stands in what was printed or in a file. */
export async function noKeyIn(bench: Workbench): Promise<void> {
  if (!existsSync(bench.stateDir)) return;
  const store = await openStore({ dir: bench.stateDir, dataDir: bench.env.CLEO_DATA_DIR! });
  const keys = [...(await store.registry.list()).map(({ apiKey }) => apiKey), ...bench.keys];
  await store.close();
  const haystack = `${bench.outputs}\n${bench.files()}`;
  for (const key of keys) {
    const spellings = [
      key,
      key.slice(0, 12),
      encodeURIComponent(key),
      Buffer.from(key).toString('base64').slice(0, 24),
    ];
    for (const spelling of spellings)
      ok(!haystack.includes(spelling), `a key leaked: ${spelling.slice(0, 11)}…`);
  }
}
