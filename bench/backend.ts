import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { openDock } from '@cleocode/signaldock';
import type { ServerJob } from './server-process.ts';

export interface Running {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** A server in a process of its own. */
export async function startServer(job: ServerJob): Promise<Running> {
  const child = fork(join(import.meta.dirname, 'server-process.ts'), [JSON.stringify(job)]);
  const [url] = (await once(child, 'message')) as [string];
  return {
    url,
    pid: child.pid!,
    async stop() {
      child.send('stop');
      await once(child, 'exit');
    },
  };
}

/** A new backend file with these agents, and their keys. */
export async function backendOf(
  folder: string,
  name: string,
  agentIds: string[],
): Promise<{ file: string; keys: Record<string, string> }> {
  const file = join(folder, `${name}.db`);
  const dock = await openDock({ file, retentionDays: 0 });
  const keys: Record<string, string> = {};
  await inBatches(agentIds, 100, async (agentId) => {
    keys[agentId] = (await dock.registerAgent({ agentId })).apiKey;
  });
  await dock.close();
  return { file, keys };
}

export async function inBatches<T>(
  all: readonly T[],
  size: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < all.length; from += size)
    await Promise.all(all.slice(from, from + size).map(work));
}
