import type { Argument, Command, Option } from 'commander';
import { pathOf } from '../command.ts';

/** What may stand where somebody asks. */
export interface Completion {
  candidates: Candidate[];
  /** The shell's own completion of paths goes on from here. */
  paths?: 'files' | 'folders';
}

interface Candidate {
  value: string;
  description: string;
}

export interface CompletionSources {
  /** Ids of the agents registered for `cwd`, or for the working directory. */
  agents(cwd: string | undefined): Promise<string[]>;
}

/** What follows these is the id of an agent. */
const AGENT_OPTIONS = new Set(['--to', '--agent', '--with']);
/** The id that these want is a new one. */
const NEW_IDS = new Set(['cleo agent register']);

/** Where a command line stands: what its words have led to. */
interface Place {
  command: Command;
  /** How many arguments the command has been given. */
  given: number;
  /** Waits for its value. */
  option: Option | undefined;
  /** After `--` there are arguments only. */
  plain: boolean;
  cwd: string | undefined;
}

/**
 * What the last of `words` may become, as the tree of commands says; the words are those after `cleo`. A shell may give the two
 * sides of `--to=bob` in one word, or in three.
 */
export async function complete(
  program: Command,
  words: readonly string[],
  sources: CompletionSources,
): Promise<Completion> {
  const last = words.at(-1) ?? '';
  const typed = last === '=' ? '' : last;
  const place = follow(
    program,
    words.slice(0, -1).filter((word) => word !== '='),
  );
  const { command, option, plain, cwd } = place;
  const agents = () => sources.agents(cwd);
  if (option) return startingWith(typed, await valuesOf(option, agents, typed));
  const [, name, value] = /^(--[^=]+)=(.*)$/.exec(typed) ?? [];
  if (!plain && name !== undefined) {
    const asked = optionsOf(command).find(({ long }) => long === name);
    if (!asked) return { candidates: [] };
    const { candidates, paths } = await valuesOf(asked, agents, value!);
    const whole = candidates.map((one) => ({ ...one, value: `${name}=${one.value}` }));
    return startingWith(typed, { candidates: whole, ...(paths && { paths }) });
  }
  if (!plain && typed.startsWith('-'))
    return startingWith(typed, { candidates: optionsOf(command).map(described) });
  // After a word that is none of them, none of them can follow.
  if (command.commands.length > 0)
    return startingWith(typed, { candidates: place.given > 0 ? [] : commandsOf(command) });
  return startingWith(typed, await argumentAt(place, agents));
}

function follow(program: Command, words: readonly string[]): Place {
  const place: Place = { command: program, given: 0, option: undefined, plain: false, cwd: undefined };
  for (const word of words) {
    if (place.option) {
      if (place.option.long === '--cwd') place.cwd = word;
      place.option = undefined;
    } else if (place.plain) place.given += 1;
    else if (word === '--') place.plain = true;
    else if (word.startsWith('-') && word !== '-') {
      const [name, value] = word.split('=', 2);
      const option = optionsOf(place.command).find(({ long, short }) => name === long || name === short);
      if (value === undefined && option && takesValue(option)) place.option = option;
      else if (option?.long === '--cwd') place.cwd = value;
    } else {
      const below = place.command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      // `cleo help agent` is about what stands behind it.
      if (below) place.command = below;
      else if (!(word === 'help' && place.command.commands.length > 0)) place.given += 1;
    }
  }
  return place;
}

/** Those of the command, and those that go with all of them. */
function optionsOf(command: Command): Option[] {
  const above = command.parent ? optionsOf(command.parent).filter(({ long }) => long !== '--help') : [];
  return [
    ...command.createHelp().visibleOptions(command),
    ...above.filter(({ long }) => long !== '--version'),
  ];
}

function commandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ value: one.name(), description: one.description() }));
}

function described({ long, short, description }: Option): Candidate {
  return { value: long ?? short!, description };
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

async function valuesOf(option: Option, agents: () => Promise<string[]>, typed: string): Promise<Completion> {
  if (option.argChoices) return plainly(option.argChoices);
  if (AGENT_OPTIONS.has(option.long ?? '')) {
    // Several stand behind one another: bob,eve.
    const before = typed.slice(0, typed.lastIndexOf(',') + 1);
    return plainly((await agents()).map((id) => `${before}${id}`));
  }
  return paths(/<([a-z-]+)>/.exec(option.flags)?.[1]);
}

async function argumentAt({ command, given }: Place, agents: () => Promise<string[]>): Promise<Completion> {
  const { registeredArguments: all } = command;
  const argument: Argument | undefined = all[given] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  if (!argument) return { candidates: [] };
  if (argument.argChoices) return plainly(argument.argChoices);
  if (/^ids?$/.test(argument.name()))
    return NEW_IDS.has(pathOf(command)) ? { candidates: [] } : plainly(await agents());
  if (argument.name() === 'words') {
    const verbs = verbsIn(argument.description);
    return plainly(given === 0 ? [...verbs, ...(await agents())] : given === 1 ? verbs : []);
  }
  return paths(argument.name());
}

/** `[agent] list | show MESSAGE` is how a command that takes words of its own describes them. */
function verbsIn(description: string): string[] {
  return description
    .replaceAll(/\[[^\]]*\]/g, '')
    .split('|')
    .flatMap((part) => part.trim().split(/\s/, 1));
}

function paths(what: string | undefined): Completion {
  if (what === 'dir' || what === 'folder') return { candidates: [], paths: 'folders' };
  return { candidates: [], ...(what === 'file' && { paths: 'files' as const }) };
}

function plainly(values: readonly string[]): Completion {
  return { candidates: values.map((value) => ({ value, description: '' })) };
}

function startingWith(typed: string, { candidates, ...rest }: Completion): Completion {
  return { candidates: candidates.filter(({ value }) => value.startsWith(typed)), ...rest };
}
