import { setTimeout as sleep } from 'node:timers/promises';
import { agentIdSchema, errorText, MAX_TIMER_MS, services } from '@cleocode/contracts';
import { definePlugin, type Logger, type PluginContext, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { BorrowedRegistry, registryOption } from './borrowed-registry.ts';
import { findCredential } from './find-credential.ts';
import { agentOf, notOpen, registryOf } from './services.ts';
import { StoredAgent } from './stored-agent.ts';

export const lookOption = z.int().positive().max(MAX_TIMER_MS).default(5_000);

const options = z.strictObject({
  /** Holds the credentials. */
  registry: registryOption,
  /** The agent to run as. Default: the most recently active one. */
  agent: agentIdSchema.optional(),
  /** How often the registry is read for what others changed, in milliseconds. A refused key is looked for at once. */
  lookMs: lookOption,
});

/** Who the agent is, by a registry of any make, without a state folder: the kernel's journal in memory stays in use. */
export const credentials = definePlugin({
  name: '@cleocode/store/credentials',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  provides: [services.registry, services.agent],
  setup(ctx, { registry: given, agent: wanted, lookMs }) {
    const registry = new BorrowedRegistry(given);
    let agent: StoredAgent | undefined;
    const ready = () => {
      if (!agent) throw notOpen();
      return { registry, agent };
    };
    ctx.provide(services.registry, registryOf(ready));
    ctx.provide(services.agent, agentOf(ready));
    ctx.on('init', async () => {
      agent = await borrowedAgent(registry, wanted, ctx.logger);
    });
    ctx.on('start', () => void look(ctx, agent!, lookMs));
  },
});

/** Rejects with `E_NO_AGENT`, `E_CREDENTIAL_INVALID`, and with what the registry rejects with. */
export async function borrowedAgent(
  registry: BorrowedRegistry,
  wanted: string | undefined,
  logger: Logger,
): Promise<StoredAgent> {
  const credential = await findCredential(registry, wanted, 'the registry that was given');
  // An agent can do without its mark.
  await registry
    .markUsed(credential.agentId)
    .catch((error) => logger.warn(`the registry cannot mark the agent as used: ${errorText(error)}`));
  return new StoredAgent(credential, registry, logger);
}

/** A registry of another make does not tell what changes in it. */
export function look(ctx: PluginContext, agent: StoredAgent, lookMs: number): void {
  ctx.task('look', async (signal) => {
    for (;;) {
      await sleep(lookMs, undefined, { signal });
      await agent.reload();
    }
  });
}
