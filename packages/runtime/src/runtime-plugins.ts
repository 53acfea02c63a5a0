import { resolve } from 'node:path';
import type { AgentCredential, AgentRegistryAPI } from '@cleocode/contracts';
import { type KernelConfig, type Plugin, resolveStateDir } from '@cleocode/kernel';
import { sse } from '@cleocode/plugin-sse';
import { credentials, registryOrigin, store } from '@cleocode/store';
import { composePlugins } from './compose-plugins.ts';
import { givenTransport } from './given-transport.ts';
import { type CheckedConfig, unusable } from './runtime-config.ts';
import { subscribedStream } from './subscribed-stream.ts';

interface Wanted {
  registry: AgentRegistryAPI;
  credential: AgentCredential;
  config: CheckedConfig;
  /** The runtime's own. */
  own: readonly Plugin[];
}

/**
 * What a kernel needs to be what `createRuntime` was asked for. The credential decides which transport serves it, unless one was
 * given. Rejects with `E_TRANSPORT_UNAVAILABLE` and `E_RUNTIME_OPTIONS`.
 */
export async function runtimePlugins({
  registry,
  credential,
  config,
  own,
}: Wanted): Promise<Pick<KernelConfig, 'transport' | 'plugins'>> {
  const { pollIntervalMs, sseEndpoint, createSseTransport } = config;
  const connecting = { pollIntervalMs, sseEndpoint };
  const transport = config.transport && givenTransport(config.transport, connecting);
  return {
    transport,
    plugins: await composePlugins({
      stateDir: registryOrigin(registry)?.dir ?? config.stateDir ?? resolveStateDir(),
      credential,
      transport,
      poller: {
        intervalMs: pollIntervalMs,
        groups: config.groupConversationIds,
        groupPollLimit: config.groupPollLimit,
        // Only a stream of ours proves that it is alive; what somebody else's transport pushes does not.
        ...((config.transport || createSseTransport) && { liveIntervalMs: pollIntervalMs }),
      },
      heartbeat: { intervalMs: config.heartbeatIntervalMs },
      keyRotation: { maxKeyAgeMs: config.maxKeyAgeMs },
      ...(sseEndpoint !== undefined && { sse: { endpoint: sseEndpoint } }),
      plugins: [keeper(registry, credential, config), ...streamOf(credential, config), ...own],
    }),
  };
}

/** The stream that was asked for, where the composition would not add it. */
function streamOf(credential: AgentCredential, config: CheckedConfig): Plugin[] {
  const { createSseTransport, sseEndpoint, pollIntervalMs } = config;
  if (createSseTransport) return [subscribedStream(createSseTransport, { pollIntervalMs, sseEndpoint })];
  if (!config.transport || !sseEndpoint || !hasStream(credential)) return [];
  return [sse(credential.transportConfig.allowInsecure === true ? { allowInsecure: true } : {})];
}

/** A server may stream; the embedded backend has no need to. */
export function hasStream({ apiBaseUrl }: Pick<AgentCredential, 'apiBaseUrl'>): boolean {
  return /^https?:/i.test(apiBaseUrl);
}

/** Who holds the credential, and where the journal is. */
function keeper(
  registry: AgentRegistryAPI,
  { agentId: agent }: AgentCredential,
  config: CheckedConfig,
): Plugin {
  const { stateDir, pollIntervalMs: lookMs } = config;
  const origin = registryOrigin(registry);
  if (!origin)
    return stateDir
      ? store({ dir: stateDir, registry, agent, lookMs })
      : credentials({ registry, agent, lookMs });
  if (stateDir !== undefined && resolve(stateDir) !== origin.dir)
    throw unusable(`stateDir: the registry of a store keeps its journal beside it, in ${origin.dir}`);
  return store({ ...origin, agent });
}
