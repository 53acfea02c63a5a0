import type { AgentCredential } from '@cleocode/contracts';
import type { KernelConfig, LoadedConfig, Plugin } from '@cleocode/kernel';

/** What the command line says about how messages come and who handles them. */
export interface HandlerFlags {
  exec?: string[];
  reply?: boolean;
  group?: string[];
  pollInterval?: number;
}

export interface KernelConfigOptions {
  stateDir: string;
  credential: Pick<AgentCredential, 'agentId' | 'apiBaseUrl'>;
  loaded: LoadedConfig;
  flags: HandlerFlags;
}

/** What one agent's kernel is made of: the configuration, the flags, and the default plugins for what they leave open. */
export async function kernelConfig({
  stateDir,
  credential,
  loaded,
  flags,
}: KernelConfigOptions): Promise<KernelConfig> {
  const { composePlugins } = await import('@cleocode/runtime');
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
      plugins: [...plugins, ...(await commandHandlers(flags))],
    }),
    inbox,
    timeouts,
  };
}

async function commandHandlers({ exec: commands = [], reply = false }: HandlerFlags): Promise<Plugin[]> {
  if (commands.length === 0) return [];
  const { exec } = await import('@cleocode/plugin-deliver');
  return commands.map((command) => exec({ command, reply }));
}
