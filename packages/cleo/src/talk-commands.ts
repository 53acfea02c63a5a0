import type { Command } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';

/** The commands below `cleo agent` with which a person, or a program beside the agent, follows what is said to it. */
export function talkCommands(agent: Command, cli: Cli): void {
  addCommand(agent, cli, {
    name: 'watch',
    does: 'print messages as JSON lines as they arrive, each acknowledged when its line is written',
    examples: ['cleo agent watch my-agent', 'cleo agent watch my-agent | jq -r .content'],
    arguments: { '[id]': 'the agent (default: the one of the configuration, else the one used last)' },
    load: () => import('./commands/agent-watch.ts'),
  });
}
