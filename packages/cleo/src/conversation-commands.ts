import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';

/** The commands below `cleo conversation`. */
export function conversationCommands(conversation: Command, cli: Cli): void {
  addCommand(conversation, cli, {
    name: 'create',
    does: 'open a conversation of an agent with others',
    examples: ['cleo conversation create --with ada,bob', 'cleo conversation create my-agent --with ada,bob'],
    arguments: { '[id]': 'the agent that opens it (default: you)' },
    options: [new Option('--with <ids>', 'who else takes part, separated by commas').makeOptionMandatory()],
    load: () => import('./commands/conversation-create.ts'),
  });
  addCommand(conversation, cli, {
    name: 'list',
    does: 'the conversations an agent takes part in',
    examples: ['cleo conversation list', 'cleo conversation list my-agent'],
    arguments: { '[id]': 'the agent (default: you)' },
    load: () => import('./commands/conversation-list.ts'),
  });
}
