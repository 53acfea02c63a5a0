import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';

/** The words below `cleo plugin`. */
export function pluginCommands(plugin: Command, cli: Cli): void {
  addCommand(plugin, cli, {
    name: 'new',
    does: 'write a package with a plugin that works, its tests and all it needs to be published',
    examples: [
      'cleo plugin new answer',
      'cleo plugin new @acme/pigeon --transport',
      'cleo plugin new answer --dir plugins/answer',
    ],
    arguments: { '<name>': 'of the package; answer is short for cleo-plugin-answer' },
    options: [
      new Option('--transport', 'a transport instead: messages by a backend of yours'),
      new Option('--dir <dir>', 'where to write it (default: a new folder of its name)'),
    ],
    load: () => import('./commands/plugin-new.ts'),
  });
}
