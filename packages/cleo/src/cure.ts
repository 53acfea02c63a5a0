import type { Command, CommanderError } from 'commander';
import { commandOf, pathOf } from './command.ts';

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
