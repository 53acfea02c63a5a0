import type { KernelConfig, LoadedConfig, Plugin } from '@cleocode/kernel';
import { type Backend, composePlugins } from '@cleocode/runtime';

/** What the command line says about how messages come and who handles them. */
export interface HandlerFlags {
  exec?: string[];
  reply?: boolean;
  group?: string[];
  pollInterval?: number;
  /** `false` after `--no-heartbeat`. */
  heartbeat?: boolean;
}

export interface KernelConfigOptions {
  stateDir: string;
  credential: Backend;
  loaded: LoadedConfig;
  flags?: HandlerFlags;
  /** What {@link commandHandlers} made of the flags. */
  handlers?: readonly Plugin[];
}

/**
 * What one agent's kernel is made of: the configuration, the flags, and the default plugins for what they leave open.
 * Throws `E_TRANSPORT_UNAVAILABLE`.
 */
export function kernelConfig(options: KernelConfigOptions): KernelConfig {
  const { stateDir, credential, loaded, flags = {}, handlers = [] } = options;
  const { transport, plugins, inbox, timeouts } = loaded.config;
  const poller = {
    ...(flags.group && { groups: flags.group }),
    ...(flags.pollInterval !== undefined && { intervalMs: flags.pollInterval }),
  };
  return {
    agent: credential.agentId,
    transport,
    plugins: composePlugins({
      stateDir,
      credential,
      transport,
      poller,
      ...(flags.heartbeat === false && { heartbeat: { intervalMs: 0 } }),
      plugins: [...plugins, ...handlers],
    }),
    inbox,
    timeouts,
  };
}

/** A handler for each `--exec`. */
export async function commandHandlers({
  exec: commands = [],
  reply = false,
}: HandlerFlags): Promise<Plugin[]> {
  if (commands.length === 0) return [];
  const { exec } = await import('@cleocode/plugin-deliver');
  return commands.map((command) => exec({ command, reply }));
}
