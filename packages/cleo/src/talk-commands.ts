import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';
import { seconds, wholeNumber } from './numbers.ts';

/** The commands below `cleo agent` with which a person, or a program beside the agent, follows what is said to it. */
export function talkCommands(agent: Command, cli: Cli): void {
  addCommand(agent, cli, {
    name: 'watch',
    does: 'print messages as JSON lines as they arrive, each acknowledged when its line is written',
    examples: ['cleo agent watch my-agent', 'cleo agent watch my-agent | jq -r .content'],
    arguments: { '[id]': 'the agent (default: the one of the configuration, else the one used last)' },
    load: () => import('./commands/agent-watch.ts'),
  });
  addCommand(agent, cli, {
    name: 'chat',
    does: 'talk to an agent: what you type is sent, its replies are shown as they come',
    examples: ['cleo agent chat my-agent', 'cleo agent chat my-agent < questions.txt --wait 60'],
    arguments: { '<id>': 'the agent to talk to' },
    options: [
      new Option('--agent <id>', 'the agent that speaks (default: you)'),
      new Option(
        '--history <n>',
        'show this many of the latest messages first (default: 5 on a terminal, else 0)',
      ).argParser(wholeNumber(0, 200)),
      new Option(
        '--wait <seconds>',
        'without a terminal: how long to wait for answers after the end of stdin (default: 5)',
      ).argParser(seconds(86_400)),
    ],
    load: () => import('./commands/agent-chat.ts'),
  });
}
