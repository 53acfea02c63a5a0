import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentCredential } from '@cleocode/contracts';
import { createKernel, createLogger, type Kernel, type Plugin } from '@cleocode/kernel';
import { type Composition, composePlugins } from '@cleocode/runtime';
import { openStore } from '@cleocode/store';

export interface ResidentsOptions {
  /** Where their state goes; a new folder. */
  folder: string;
  /** Their server. */
  url: string;
  keys: Readonly<Record<string, string>>;
  /** What one of them has beside the default plugins. */
  plugins(agentId: string): Plugin[];
  poller?: Composition['poller'];
}

/** Starts agents of a server in this process, each with everything that an agent has by default. */
export async function startResidents(options: ResidentsOptions): Promise<Kernel[]> {
  const stateDir = join(options.folder, '.cleo');
  process.env.CLEO_DATA_DIR = join(options.folder, 'data');
  mkdirSync(stateDir, { recursive: true });
  const store = await openStore({ dir: stateDir });
  const credentials: AgentCredential[] = [];
  for (const [agentId, apiKey] of Object.entries(options.keys))
    credentials.push(await store.registry.register({ agentId, apiKey, apiBaseUrl: options.url }));
  await store.close();
  const kernels: Kernel[] = [];
  for (const credential of credentials) {
    const kernel = createKernel({
      // A server that goes is part of what is measured.
      logger: createLogger('error', ({ message, fields }) => console.error(message, fields)),
      plugins: await composePlugins({
        stateDir,
        credential,
        ...(options.poller && { poller: options.poller }),
        plugins: options.plugins(credential.agentId),
      }),
    });
    await kernel.start();
    kernels.push(kernel);
  }
  return kernels;
}
