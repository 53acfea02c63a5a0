import { Command, Option, type OutputConfiguration } from 'commander';
import { agentCommands } from './agent-commands.ts';
import { type Cli, type GlobalOptions, LOG_LEVELS } from './cli.ts';
import { addCommand, addGroup, blamed, examples } from './command.ts';
import { SHELLS } from './completion/scripts.ts';
import { conversationCommands } from './conversation-commands.ts';
import type { Output } from './output.ts';
import { pluginCommands } from './plugin-commands.ts';
import { signaldockCommands } from './signaldock-commands.ts';
import { UsageError } from './usage-error.ts';
import { ownVersion } from './version.ts';

export interface Program {
  readonly command: Command;
  /** What the command that ran answered. */
  readonly exitCode: number;
}

/** The whole command line: words, options and help, and nothing of what the commands do. */
export function buildProgram(output: Output, argv: readonly string[] = []): Program {
  const globals: GlobalOptions = {};
  const cli: Cli = { output, globals, argv, exitCode: 0 };
  const program = blamed(new Command('cleo'))
    .description('Runs resident agents: start one, send it messages, see what it did.')
    .usage('<command> [options]')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput(helpThrough(output))
    .addOption(new Option('-C, --cwd <dir>', 'run as if started in this folder'))
    .addOption(
      new Option(
        '--config <file>',
        'use this configuration instead of looking for cleo.config.ts (or set CLEO_CONFIG)',
      ),
    )
    .addOption(new Option('--json', 'answer in JSON, one object per line (or set CLEO_OUTPUT=json)'))
    .addOption(
      new Option('--log-level <level>', 'log this and above on stderr (or set CLEO_LOG_LEVEL)').choices(
        LOG_LEVELS,
      ),
    )
    .addOption(new Option('--verbose', 'show stack traces'))
    .version(ownVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', examples('cleo init', 'cleo agent start', 'cleo agent send --to my-agent "hello"'))
    .hook('preAction', () => {
      Object.assign(globals, program.opts());
      if (globals.cwd !== undefined) cli.startedIn = process.cwd();
      enterFolder(globals.cwd);
    });

  addCommand(program, cli, {
    name: 'init',
    does: 'write a configuration and register an agent here',
    examples: ['cleo init', 'cleo init --id my-agent'],
    options: [new Option('--id <id>', "the agent's id (default: the name of the folder)")],
    load: () => import('./commands/init.ts'),
  });
  agentCommands(
    addGroup(program, 'agent', 'register, run and talk to agents', [
      'cleo agent register my-agent',
      'cleo agent start my-agent',
    ]),
    cli,
  );
  conversationCommands(
    addGroup(program, 'conversation', 'group conversations', ['cleo conversation create --with ada,bob']),
    cli,
  );
  signaldockCommands(
    addGroup(program, 'signaldock', 'the backend as a server', ['cleo signaldock serve']),
    cli,
  );
  addCommand(program, cli, {
    name: 'config',
    does: 'the configuration as resolved: each value and where it came from',
    examples: ['cleo config', 'cleo config --config other/cleo.config.ts --json'],
    arguments: { '[id]': 'the agent it is resolved for (default: as cleo agent start)' },
    load: () => import('./commands/config.ts'),
  });
  addCommand(program, cli, {
    name: 'plugins',
    does: 'the plugins that run here, in their order: services, hooks, and the time they take',
    examples: ['cleo plugins', 'cleo plugins my-agent --json'],
    arguments: { '[id]': 'the agent they are resolved for (default: as cleo agent start)' },
    load: () => import('./commands/plugins.ts'),
  });
  pluginCommands(
    addGroup(program, 'plugin', 'write a plugin of your own (cleo plugins shows those that run)', [
      'cleo plugin new answer',
    ]),
    cli,
  );
  addCommand(program, cli, {
    name: 'doctor',
    does: 'look for what keeps an agent from working, and say what to do about it; changes nothing',
    examples: ['cleo doctor', 'cleo doctor my-agent --json'],
    arguments: { '[id]': 'look at this agent only (default: all that are registered here)' },
    load: () => import('./commands/doctor.ts'),
  });
  addCommand(program, cli, {
    name: 'completion',
    does: 'print a script that lets a shell complete cleo: commands, options and the ids of your agents',
    examples: [
      'cleo completion bash > ~/.local/share/bash-completion/completions/cleo',
      'cleo completion zsh > ~/.zfunc/_cleo',
      'cleo completion fish > ~/.config/fish/completions/cleo.fish',
    ],
    arguments: { '<shell>': { does: 'whose script', choices: SHELLS } },
    load: () => import('./commands/completion.ts'),
  });
  return {
    command: program,
    get exitCode() {
      return cli.exitCode;
    },
  };
}

/** Help goes to stdout as it is, or whole in one line of JSON. */
function helpThrough(output: Output): OutputConfiguration {
  return {
    writeOut: (text) => output.help(text),
    writeErr: (text) => {
      if (!output.json) process.stderr.write(text);
    },
    // Whoever catches the error tells it, as any other failure.
    outputError: () => {},
  };
}

function enterFolder(folder: string | undefined): void {
  if (folder === undefined) return;
  try {
    process.chdir(folder);
  } catch (cause) {
    throw new UsageError(
      `--cwd ${folder}: there is no such folder`,
      'Make the folder first, or correct the path.',
      { cause },
    );
  }
}
