import { Argument, type Command, type CommanderError, type Option } from 'commander';
import type { Cli } from './cli.ts';

export interface CommandSpec {
  name: string;
  does: string;
  /** Command lines, shown below its help. */
  examples: string[];
  /** In order, by its usage: `{ '<id>': 'the agent' }`. */
  arguments?: Record<string, string | { does: string; choices: readonly string[] }>;
  options?: Option[];
  /** Imports what the command does, when it is run. */
  load(): Promise<CommandModule>;
}

interface CommandModule {
  /** Gets the arguments in order, then the options. What it throws is shown; else the process answers `cli.exitCode`. */
  // biome-ignore lint/suspicious/noExplicitAny: commander hands over what the usage declares, untyped
  run(cli: Cli, ...given: any[]): Promise<void>;
}

export function addCommand(parent: Command, cli: Cli, spec: CommandSpec): void {
  const command = blamed(parent.command(spec.name))
    .description(spec.does)
    .addHelpText('after', examples(...spec.examples))
    .action(async (...given: unknown[]) => {
      const { run } = await spec.load();
      // The last one is the command itself.
      await run(cli, ...given.slice(0, -1));
    });
  for (const [usage, what] of Object.entries(spec.arguments ?? {}))
    command.addArgument(
      typeof what === 'string'
        ? new Argument(usage, what)
        : new Argument(usage, what.does).choices(what.choices),
    );
  for (const option of spec.options ?? []) command.addOption(option);
}

/** A word that has commands below it: `agent`. */
export function addGroup(parent: Command, name: string, does: string, lines: string[]): Command {
  return blamed(parent.command(name))
    .description(does)
    .usage('<command> [options]')
    .addHelpText('after', examples(...lines));
}

export function examples(...lines: string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** What commander throws about this command says which one it was. */
export function blamed(command: Command): Command {
  return command.exitOverride((error) => {
    throw Object.assign(error, { command });
  });
}

/** The command that a fault on the command line belongs to, when {@link blamed} put it there. */
export function commandOf(error: CommanderError): Command | undefined {
  return (error as CommanderError & { command?: Command }).command;
}

/** The words that lead to a command: `cleo agent send`. */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
