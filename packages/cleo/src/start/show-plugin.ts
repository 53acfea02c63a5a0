import { services } from '@cleocode/contracts';
import { definePlugin, type Plugin } from '@cleocode/kernel';
import type { Output } from '../output.ts';
import { ownVersion } from '../version.ts';
import { type AgentEvent, agentEvent } from './events.ts';

export interface ShowOptions {
  output: Output;
  report(event: AgentEvent): void;
  /** Handle messages by showing them even where another plugin handles them. */
  always: boolean;
  /** Whether another plugin handles messages; asked once all of them have started. */
  handled(): boolean;
  /** Called at the start with what is known by then. */
  onStart(facts: { agentId: string; transport: string; showing: boolean }): void;
}

/**
 * The command's own plugin, last in the list: tells what happens in the inbox, and handles messages by showing them when
 * nobody else does. A message is done when the system has taken its line.
 */
export function showPlugin({ output, report, always, handled, onStart }: ShowOptions): Plugin {
  return definePlugin({
    name: '@cleocode/cleo',
    version: ownVersion(),
    apiVersion: 1,
    requires: { inbox: services.inbox, agent: services.agent, transport: services.transport },
    setup(ctx, _options, { inbox, agent, transport }) {
      ctx.on('init', () => {
        const tell = inbox.observe((event) => {
          const told = agentEvent(agent.id, event);
          if (told) report(told);
        });
        ctx.defer(tell);
      });
      ctx.on('start', () => {
        const showing = always || !handled();
        if (showing) ctx.on('message', () => output.flushed());
        onStart({ agentId: agent.id, transport: transport.name, showing });
      });
    },
  })();
}
