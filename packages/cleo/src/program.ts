import { readFileSync } from 'node:fs';
import { Command, type CommanderError, Option, type OutputConfiguration } from 'commander';
import { agentCommands } from './agent-commands.ts';
import { type Cli, type GlobalOptions, LOG_LEVELS } from './cli.ts';
import { addCommand, addGroup, blamed, commandOf, examples, pathOf } from './command.ts';
import type { Output } from './output.ts';
import { UsageError } from './usage-error.ts';

export interface Program {
  readonly command: Command;
  /** What the command that ran answered. */
  readonly exitCode: number;
}

/** The whole command line: words, options and help, and nothing of what the commands do. */
export function buildProgram(output: Output): Program {
  const globals: GlobalOptions = {};
  const cli: Cli = { output, globals, exitCode: 0 };
  const program = blamed(new Command('cleo'))
    .description('Runs resident agents: start one, send it messages, see what it did.')
    .usage('<command> [options]')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput(helpThrough(output))
    .addOption(new Option('-C, --cwd <dir>', 'run as if started in this folder'))
    .addOption(new Option('--config <file>', 'use this configuration instead of looking for cleo.config.ts'))
    .addOption(new Option('--json', 'answer in JSON, one object per line (or set CLEO_OUTPUT=json)'))
    .addOption(new Option('--log-level <level>', 'log this and above on stderr').choices(LOG_LEVELS))
    .addOption(new Option('--verbose', 'show stack traces'))
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', examples('cleo init', 'cleo agent start', 'cleo agent send --to my-agent "hello"'))
    .hook('preAction', () => {
      Object.assign(globals, program.opts());
      enterFolder(globals.cwd);
    });

  addCommand(program, cli, {
    name: 'init',
    does: 'write a configuration and register an agent here',
    examples: ['cleo init', 'cleo init --id my-agent'],
    options: [new Option('--id <id>', "the agent's id (default: the name of the folder)")],
    load: () => import('./commands/init.ts'),
  });
  agentCommands(addGroup(program, 'agent', 'register, run and talk to agents'), cli);
  const conversation = addGroup(program, 'conversation', 'group conversations');
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
  addCommand(program, cli, {
    name: 'config',
    does: 'the configuration as resolved: each value and where it came from',
    examples: ['cleo config', 'cleo config --config other/cleo.config.ts --json'],
    load: () => import('./commands/config.ts'),
  });
  addCommand(program, cli, {
    name: 'plugins',
    does: 'the plugins in the order they run, their services, hooks and set-up time',
    examples: ['cleo plugins'],
    arguments: { '[id]': 'the agent they are resolved for (default: as cleo agent start)' },
    load: () => import('./commands/plugins.ts'),
  });
  return {
    command: program,
    get exitCode() {
      return cli.exitCode;
    },
  };
}

/** What commander found wrong with the command line, and what to do about it. */
export function cureFor(error: CommanderError): { message: string; hint: string } {
  const command = commandOf(error);
  const path = command ? pathOf(command) : 'cleo';
  if (error.code === 'commander.help')
    return { message: `${path}: a command is missing`, hint: `See: ${path} --help` };
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const near = suggestion?.replace(/^\((.*)\)$/, '$1') ?? inAnotherGroup(message, command);
  return { message, hint: near ?? quotesMissing(error, path) ?? `See: ${path} --help` };
}

/** `cleo start`, where `cleo agent start` is meant. */
function inAnotherGroup(message: string, command: Command | undefined): string | undefined {
  const word = /^unknown command '(.+)'$/.exec(message)?.[1];
  const found = word && command ? find(rootOf(command), word) : undefined;
  return found && `Did you mean ${pathOf(found)}?`;
}

function quotesMissing({ code }: CommanderError, path: string): string | undefined {
  if (code !== 'commander.excessArguments' || path !== 'cleo agent send') return undefined;
  return 'Put the text in quotes: cleo agent send --to my-agent "hello there"';
}

function find(within: Command, name: string): Command | undefined {
  for (const command of within.commands) {
    const found = command.name() === name ? command : find(command, name);
    if (found) return found;
  }
  return undefined;
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
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

function packageVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
