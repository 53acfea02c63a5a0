import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { Sandbox } from './cleo.test.kit.ts';
import { Output } from './output.ts';
import { buildProgram } from './program.ts';

const root = buildProgram(new Output({ json: false, verbose: false })).command;
const commands = everyCommand(root);

describe('help', () => {
  it.for(commands.map((command) => [path(command), command] as const))('%s', ([, command]) => {
    const help = wholeHelp(command);
    expect(help).toMatch(/\nExamples?:\n {2}\$ cleo/);
    expect(help).toMatchSnapshot();
  });

  it('goes to stdout with exit code 0, for the bare command too', async () => {
    const box = new Sandbox();
    const [asked, bare] = await Promise.all([box.cleo(['agent', 'send', '--help']), box.cleo([])]);
    expect(asked).toEqual({
      code: 0,
      stdout: wholeHelp(commands.find((one) => path(one) === 'cleo agent send')!),
      stderr: '',
    });
    expect(bare).toEqual({ code: 0, stdout: wholeHelp(root), stderr: '' });
  });

  it('is one line of JSON for a program, and so is the version', async () => {
    const box = new Sandbox();
    const [help, version] = await Promise.all([box.json(['agent', '--help']), box.json(['--version'])]);
    expect(help.lines).toEqual([{ ok: true, help: expect.stringContaining('Usage: cleo agent') }]);
    expect(version.lines).toEqual([{ ok: true, version: expect.stringMatching(/^\d+\.\d+\.\d+/) }]);
  });
});

it('prints its version', async () => {
  const { code, stdout } = await new Sandbox().cleo(['--version']);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
});

describe('a command line that is wrong', () => {
  it.for([
    [['agnt'], "unknown command 'agnt'", 'Did you mean agent?'],
    [['agent', 'strat'], "unknown command 'strat'", 'Did you mean start?'],
    [['start'], "unknown command 'start'", 'Did you mean cleo agent start?'],
    [['agent'], 'cleo agent: a command is missing', 'See: cleo agent --help'],
    [['agent', 'list', '--jsn'], "unknown option '--jsn'", 'Did you mean --json?'],
    [['agent', 'get'], "missing required argument 'id'", 'See: cleo agent get --help'],
    [
      ['agent', 'send', 'hello', 'there', '--to', 'bob'],
      "too many arguments for 'send'. Expected 1 argument but got 2: hello, there.",
      'Put the text in quotes: cleo agent send --to my-agent "hello there"',
    ],
    [
      ['agent', 'poll', '--limit', '1e9'],
      "option '--limit <n>' argument '1e9' is invalid. Expected a whole number from 1 to 200.",
      'See: cleo agent poll --help',
    ],
    [['agent', 'list', '-C', 'nowhere'], '--cwd nowhere: there is no such folder', expect.any(String)],
  ] as const)('%j', async ([args, message, hint]) => {
    const { code, lines } = await new Sandbox().json([...args]);
    expect(lines).toEqual([{ ok: false, error: { code: 'E_USAGE', message, hint } }]);
    expect(code).toBe(2);
  });

  it('is told to a person on stderr, without a stack trace', async () => {
    const { code, stdout, stderr } = await new Sandbox().cleo(['agent', 'strat']);
    expect(stderr).toBe("error E_USAGE: unknown command 'strat'\n  → Did you mean start?\n");
    expect([code, stdout]).toEqual([2, '']);
  });

  it('is told with a stack trace on --verbose', async () => {
    const { stdout, stderr } = await new Sandbox().cleo(['agent', 'get', 'bob', '--verbose']);
    expect(stderr).toMatch(/^error E_NOT_FOUND_AGENT: .+\n {2}→ .+\nCleoError: .+\n +at /);
    expect(stdout).toBe('');
  });
});

describe('CLEO_OUTPUT', () => {
  it('json does what --json does', async () => {
    const { stdout } = await new Sandbox().cleo(['agent', 'list'], { env: { CLEO_OUTPUT: 'json' } });
    expect(stdout).toBe('{"ok":true,"count":0}\n');
  });

  it('is refused when it is something else', async () => {
    const { code, stderr } = await new Sandbox().cleo(['agent', 'list'], { env: { CLEO_OUTPUT: 'xml' } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('CLEO_OUTPUT is "xml"')]);
  });
});

it('-C runs as if started in that folder', async () => {
  const box = new Sandbox();
  const { lines } = await box.json(['agent', 'register', 'bob', '-C', 'work'], { cwd: box.root });
  expect(lines[0]).toMatchObject({ ok: true, stateDir: box.stateDir });
});

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function path(command: Command): string {
  return command.parent ? `${path(command.parent)} ${command.name()}` : command.name();
}

function wholeHelp(command: Command): string {
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  return help;
}
