import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';
import { handlerOptions } from './handler-options.ts';

/** The commands below `cleo agent` that have the system keep an agent running. */
export function installCommands(agent: Command, cli: Cli): void {
  addCommand(agent, cli, {
    name: 'install',
    does: 'have systemd (on macOS launchd) keep an agent running, with the flags of start; no key is written down. Variables for its handlers, such as secrets, go into ~/.config/cleo/ID.env',
    examples: [
      'cleo agent install my-agent --print',
      "cleo agent install my-agent --exec './answer.sh' --reply",
    ],
    arguments: { '[id]': 'the agent (default: the one of the configuration, else the one used last)' },
    options: [
      new Option('--print', 'show the unit, and change nothing'),
      new Option('--force', 'replace a unit that says something else'),
      ...handlerOptions(),
    ],
    load: () => import('./commands/agent-install.ts'),
  });
  addCommand(agent, cli, {
    name: 'uninstall',
    does: 'take away what install set up: end the agent, and start it no more; it stays registered',
    examples: ['cleo agent uninstall my-agent'],
    arguments: { '<id>': 'the agent' },
    load: () => import('./commands/agent-uninstall.ts'),
  });
}
