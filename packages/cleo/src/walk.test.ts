import { spawn, spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { BIN, type Line, type Result, Running, Sandbox } from './cleo.test.kit.ts';
import { pathOf } from './command.ts';
import { everyCommand } from './help.test.kit.ts';

interface Step {
  words: string;
  /** The exit code. Default 0. */
  code?: number;
  /** What a person sees, in full or in part. */
  shows: RegExp;
  /** The last line a program reads, or a part of it. */
  answers: Line;
}

const failure = (code: string, hint: unknown = expect.any(String)): Line => ({
  ok: false,
  error: { code, hint },
});
const list = (count: number): Line => ({ ok: true, count });

/** A day with `cleo`, and what goes wrong in it; each step is taken on a terminal, and in another folder with `--json`. */
const DAY: Step[] = [
  {
    words: 'init --id bob',
    shows: /cleo\.config\.ts is written.*bob is registered/s,
    answers: { ok: true, agentId: 'bob', registered: true },
  },
  {
    words: 'init --id bob',
    shows: /is there already: left as it is/,
    answers: { ok: true, registered: false },
  },
  { words: 'agent register ann', shows: /ann is registered/, answers: { ok: true, agentId: 'ann' } },
  {
    words: 'agent register ann',
    code: 1,
    shows: /E_CONFLICT_ALREADY_EXISTS.*→ Run it/s,
    answers: failure('E_CONFLICT_ALREADY_EXISTS'),
  },
  { words: 'agent list', shows: /ann .*sk_live_\w{3}….*bob/s, answers: list(2) },
  { words: 'agent get bob', shows: /agentId +bob/, answers: { ok: true, agent: { agentId: 'bob' } } },
  {
    words: 'agent get nobody',
    code: 4,
    shows: /E_NOT_FOUND_AGENT.*→ Registered are: ann, bob/s,
    answers: failure('E_NOT_FOUND_AGENT'),
  },
  {
    words: 'agent status bob',
    code: 3,
    shows: /bob does not run.*→ Run it/s,
    answers: { ok: true, running: false, healthy: false },
  },
  {
    words: 'agent stop bob',
    code: 3,
    shows: /E_NOT_RUNNING/,
    answers: failure('E_NOT_RUNNING', 'Run it: cleo agent start bob'),
  },
  {
    words: 'plugin new answer',
    shows: /cleo-plugin-answer/,
    answers: { ok: true },
  },
  {
    words: 'agent start bob --detach',
    shows: /bob runs in the background.*cleo agent stop bob/s,
    answers: { event: 'ready', agentId: 'bob' },
  },
  {
    words: 'agent start bob',
    code: 5,
    shows: /E_ALREADY_RUNNING.*cleo agent status bob/s,
    answers: failure('E_ALREADY_RUNNING'),
  },
  {
    words: 'agent status bob',
    shows: /bob is well.*seen as/s,
    answers: { ok: true, running: true, healthy: true, agentId: 'bob' },
  },
  {
    words: 'agent send hello --to bob --agent ann --wait 20',
    shows: /← bob: You said: hello/,
    answers: { event: 'reply', from: 'bob', content: 'You said: hello' },
  },
  {
    words: 'agent send hello --to nobody',
    code: 4,
    shows: /E_NOT_FOUND_AGENT/,
    answers: failure('E_NOT_FOUND_AGENT'),
  },
  { words: 'agent send hello', code: 2, shows: /E_USAGE/, answers: failure('E_USAGE') },
  { words: 'agent poll ann', shows: /nothing waits|no messages|ann/i, answers: { ok: true } },
  {
    words: 'agent rotate-key bob',
    shows: /bob has a new key.*uses it/s,
    answers: { ok: true, agentId: 'bob', switched: true },
  },
  { words: 'agent logs bob -n 1', shows: /it has a new key/, answers: list(1) },
  { words: 'agent logs ann', code: 4, shows: /E_NOT_FOUND_LOG/, answers: failure('E_NOT_FOUND_LOG') },
  { words: 'agent dead-letters bob', shows: /bob has no dead letters/, answers: list(0) },
  { words: 'agent set-aside bob', shows: /bob has set no conversation aside/, answers: list(0) },
  {
    words: 'conversation create ann --with bob',
    shows: /Between ann, bob/,
    answers: { ok: true, participants: ['ann', 'bob'] },
  },
  { words: 'conversation list ann', shows: /ann, bob/, answers: list(1) },
  { words: 'config', shows: /agent\.id +bob +\(cleo\.config\.ts\)/, answers: { ok: true } },
  { words: 'plugins bob', shows: /bob, as it runs/, answers: { ok: true, agentId: 'bob', running: true } },
  { words: 'doctor', shows: /All is well/, answers: { ok: true, errors: 0 } },
  { words: 'agent install bob --print', shows: /Cleo agent bob/, answers: { ok: true, agentId: 'bob' } },
  { words: 'agent uninstall bob', code: 4, shows: /E_NOT_FOUND_UNIT/, answers: failure('E_NOT_FOUND_UNIT') },
  {
    words: 'agent stop bob',
    shows: /bob stopped .*everything in hand was finished/,
    answers: { ok: true, agentId: 'bob', drained: true },
  },
  { words: 'agent remove ann', shows: /ann is removed/, answers: { ok: true, agentId: 'ann' } },
  { words: 'agent remove ann', code: 4, shows: /E_NOT_FOUND_AGENT/, answers: failure('E_NOT_FOUND_AGENT') },
  { words: 'agent chat nobody', code: 4, shows: /E_NOT_FOUND_AGENT/, answers: failure('E_NOT_FOUND_AGENT') },
  { words: 'agent watch nobody', code: 4, shows: /E_NOT_FOUND_AGENT/, answers: failure('E_NOT_FOUND_AGENT') },
  {
    words: 'agnet list',
    code: 2,
    shows: /Did you mean agent\?/,
    answers: failure('E_USAGE', 'Did you mean agent?'),
  },
  {
    words: 'agent sned',
    code: 2,
    shows: /Did you mean send\?/,
    answers: failure('E_USAGE', 'Did you mean send?'),
  },
  {
    words: 'agent start --poll-interval soon',
    code: 2,
    shows: /Expected a whole number/,
    answers: failure('E_USAGE'),
  },
  { words: 'signaldock serve --port 99999', code: 2, shows: /from 0 to 65535/, answers: failure('E_USAGE') },
  { words: 'completion tcsh', code: 2, shows: /bash, zsh, fish/, answers: failure('E_USAGE') },
];

it('answers a program that takes every step of a day', { timeout: 300_000 }, async () => {
  const box = home();
  for (const { words, code = 0, answers } of DAY) {
    const { code: ended, lines, stderr } = await box.json(words.split(' '));
    expect([ended, lines.at(-1)], `${words}\n${stderr}`).toEqual([
      code,
      expect.objectContaining(part(answers)),
    ]);
  }
});

const noTerminal = spawnSync('script', ['--version']).error !== undefined;

it.skipIf(noTerminal)(
  'shows a person on a terminal every step of a day (needs the program script)',
  { timeout: 300_000 },
  async () => {
    const box = home();
    for (const { words, code = 0, shows } of DAY) {
      const { code: ended, stdout } = await onTerminal(box, words);
      expect(stdout, words).toMatch(shows);
      expect([ended, stdout.includes('    at ')], `${words}\n${stdout}`).toEqual([code, false]);
    }
  },
);

it('has a step in that day for every command', () => {
  const commands = everyCommand().map(pathOf);
  const groups = new Set(commands.filter((path) => commands.some((other) => other.startsWith(`${path} `))));
  const walked = (path: string) => DAY.some(({ words }) => `cleo ${words} `.startsWith(`${path} `));
  expect(commands.filter((path) => !groups.has(path) && !walked(path))).toEqual([]);
});

function home(): Sandbox {
  const box = new Sandbox();
  // What `cleo init` writes imports it.
  box.installKernel();
  return box;
}

/** Members that are objects may have more than is asked for too. */
function part(line: Line): Line {
  return Object.fromEntries(
    Object.entries(line).map(([name, value]) => [
      name,
      value !== null && Object.getPrototypeOf(value) === Object.prototype
        ? expect.objectContaining(value)
        : value,
    ]),
  );
}

async function onTerminal(box: Sandbox, words: string): Promise<Result> {
  const command = `"${process.execPath}" "${BIN}" ${words}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: box.cwd,
    env: { ...box.env, TERM: 'xterm' },
  });
  const running = new Running(child);
  const { code } = await running.exit;
  return {
    code,
    stdout: stripVTControlCharacters(running.stdout).replaceAll('\r', ''),
    stderr: running.stderr,
  };
}
