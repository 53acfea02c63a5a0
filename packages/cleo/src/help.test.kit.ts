import type { Command } from 'commander';
import type { Output } from './output.ts';
import { buildProgram } from './program.ts';

/** All commands that the help shows, each before those below it. `output` gets what they show. */
export function everyCommand(output: Pick<Output, 'json' | 'help'> = { json: false, help() {} }): Command[] {
  return withThoseBelow(buildProgram(output as Output).command);
}

function withThoseBelow(command: Command): Command[] {
  const below = command.createHelp().visibleCommands(command);
  return [command, ...below.filter((one) => one.name() !== 'help').flatMap(withThoseBelow)];
}
