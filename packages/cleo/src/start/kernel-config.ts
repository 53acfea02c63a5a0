import type { KernelConfig, LoadedConfig, Plugin } from '@cleocode/kernel';
import { composePlugins } from '@cleocode/runtime/compose';
import type { Backend } from '@cleocode/runtime/transport';
import type { Environment } from '../environment.ts';
import { UsageError } from '../usage-error.ts';

/** What the command line says about how messages come and who handles them. */
export interface HandlerFlags {
  exec?: string[];
  webhook?: string[];
  allowPrivate?: boolean;
  file?: string[];
  reply?: boolean;
  group?: string[];
  pollInterval?: number;
  /** `false` after `--no-heartbeat`. */
  heartbeat?: boolean;
}

export interface KernelConfigOptions {
  stateDir: string;
  credential: Backend;
  /** With what the environment says, where it counts. */
  loaded: LoadedConfig & { environment?: Environment };
  flags?: HandlerFlags;
  /** What {@link commandHandlers} made of the flags. */
  handlers?: readonly Plugin[];
}

/**
 * What one agent's kernel is made of: the configuration, the flags, and the default plugins for what they leave open.
 * Rejects with `E_TRANSPORT_UNAVAILABLE`.
 */
export async function kernelConfig(options: KernelConfigOptions): Promise<KernelConfig> {
  const { stateDir, credential, loaded, flags = {}, handlers = [] } = options;
  const { agent, transport, plugins, inbox, timeouts, oldNames } = loaded.config;
  const isGivenKey = agent?.id === credential.agentId && agent.apiKey !== undefined;
  const pollInterval = flags.pollInterval ?? loaded.environment?.pollInterval;
  const rotates = plugins.some(({ definition }) => definition.name === ROTATION);
  const poller = {
    ...(flags.group && { groups: flags.group }),
    ...(pollInterval !== undefined && { intervalMs: pollInterval }),
  };
  return {
    agent: credential.agentId,
    transport,
    plugins: await composePlugins({
      stateDir,
      credential,
      transport,
      poller,
      // The next start would bring back the key that was replaced.
      ...(isGivenKey && !rotates && { keyRotation: { maxKeyAgeMs: 0 } }),
      ...(flags.heartbeat === false && { heartbeat: { intervalMs: 0 } }),
      plugins: [...plugins, ...handlers],
    }),
    inbox,
    timeouts,
    oldNames,
  };
}

/** A handler for each `--exec`, `--webhook` and `--file`, in this order. Rejects with a `UsageError`. */
export async function commandHandlers({
  exec: commands = [],
  webhook: urls = [],
  file: folders = [],
  allowPrivate = false,
  reply = false,
}: HandlerFlags): Promise<Plugin[]> {
  if (commands.length + urls.length + folders.length === 0) return [];
  const { exec, file, webhook, webhookUrlFault } = await import('@cleocode/plugin-deliver');
  const signed = process.env[WEBHOOK_SECRET] ? { secretEnv: WEBHOOK_SECRET } : {};
  for (const url of urls) {
    const fault = webhookUrlFault(url, { allowPrivate });
    if (fault) throw new UsageError(`--webhook: ${fault}`, WEBHOOK_HINT);
  }
  return [
    ...commands.map((command) => exec({ command, reply })),
    ...urls.map((url) => webhook({ url, allowPrivate, reply, ...signed })),
    ...folders.map((dir) => file({ dir })),
  ];
}

const ROTATION = '@cleocode/plugin-key-rotation';
/** Kept from commands, as every variable of this kind. */
const WEBHOOK_SECRET = 'CLEO_WEBHOOK_SECRET';
const WEBHOOK_HINT =
  'Give an https URL. --allow-private lets it be on this machine or a private network; a configuration can allow plain http.';
