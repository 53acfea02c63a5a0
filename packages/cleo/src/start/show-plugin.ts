import { definePlugin, type Plugin, type PluginContext } from '@cleocode/kernel';
import { type AgentHealth, agentHealth, healthServices } from '@cleocode/runtime/compose';
import { ownVersion } from '../version.ts';
import { type AgentEvent, agentEvent, realtimeEvent } from './events.ts';

export interface ShowOptions {
  /** Resolves when what was reported is in safe hands. */
  flushed(): Promise<void>;
  report(event: AgentEvent): void;
  /** Whether messages are handled by showing them; asked once all other plugins have started. */
  shows(): boolean;
  /** Called when the agent is this process's, before it hears anything. `health` may be asked from then on. */
  onInit(ctx: Pick<PluginContext, 'defer' | 'logger'>, health: () => AgentHealth): void | Promise<void>;
  /** Called at the start with what is known by then. */
  onStart(facts: { transport: string; showing: boolean }): void;
}

/**
 * The command's own plugin, last in the list: tells what happens in the inbox, and handles messages by showing them when
 * nobody else does. Such a message is done when it is `flushed`.
 */
export function showPlugin({ flushed, report, shows, onInit, onStart }: ShowOptions): Plugin {
  return definePlugin({
    name: '@cleocode/cleo',
    version: ownVersion(),
    apiVersion: 1,
    ...healthServices,
    setup(ctx, _options, deps) {
      const { inbox, agent, transport, realtime } = deps;
      ctx.on('init', () => onInit(ctx, () => agentHealth(deps)));
      ctx.on('init', () => {
        const stopObserving = inbox.observe((event) => {
          const told = agentEvent(agent.id, event);
          if (told) report(told);
        });
        ctx.defer(stopObserving);
        const stopAuth = agent.onAuth?.((change) => report({ event: 'auth', agentId: agent.id, ...change }));
        if (stopAuth) ctx.defer(stopAuth);
        if (!realtime) return;
        const tell = () => report(realtimeEvent(agent.id, realtime));
        tell();
        ctx.defer(realtime.onChange(tell));
      });
      ctx.on('start', () => {
        const showing = shows();
        if (showing) ctx.on('message', () => flushed());
        onStart({ transport: transport.name, showing });
      });
    },
  })();
}
