import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { type Block, codeBlocks } from './support/markdown.ts';
import { root } from './support/workspace.ts';

const PAGE = 'docs/getting-started.md';
const BIN = join(root, 'packages/cleo/src/bin.js');

const noTerminal = spawnSync('script', ['--version']).error !== undefined;

it.skipIf(noTerminal)('shows what somebody sees who follows it', { timeout: 180_000 }, async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'cleo-begin-')));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  installCommands(join(home, 'bin'));
  const steps = stepsOf(PAGE);
  const script = [
    ...steps.map((step, at) => `echo "${mark(at)}"\n${step.script}`),
    `echo "${mark(steps.length)}"`,
  ];
  writeFileSync(join(home, 'walk.sh'), `trap 'npx cleo agent stop --all' EXIT\n${script.join('\n')}`);
  const terminal = spawn('script', ['--quiet', '--return', '--command', 'bash walk.sh', '/dev/null'], {
    cwd: home,
    env: {
      PATH: [join(home, 'bin'), process.env.PATH].join(delimiter),
      HOME: home,
      CLEO_DATA_DIR: join(home, 'keys'),
      TERM: 'xterm',
      NO_COLOR: '1',
    },
  });
  terminal.stdin.end();
  const [stdout, stderr] = await Promise.all([text(terminal.stdout), text(terminal.stderr)]);
  const sections = seen(stdout)
    .split(/^=== \d+ ===\n/m)
    .slice(1);
  for (const [at, { output, line }] of steps.entries())
    expect(`${PAGE}:${line}\n${masked(sections[at] ?? stderr, home)}`).toBe(
      `${PAGE}:${line}\n${masked(output)}`,
    );
});

interface Step {
  line: number;
  script: string;
  output: string;
}

/** What is to be typed, run or saved, in its order, each with what is shown for it. */
function stepsOf(file: string): Step[] {
  const order = (one: Block, other: Block) => one.line - other.line;
  const blocks = [
    ...codeBlocks(file, 'ts').map((block) => ({ ...block, meta: 'save' })),
    ...codeBlocks(file, 'sh'),
    ...codeBlocks(file, 'text').map((block) => ({ ...block, meta: 'output' })),
  ].sort(order);
  return blocks.flatMap((block, at) => {
    const script = SCRIPTS[block.meta]?.(block.code);
    const next = blocks[at + 1];
    const output = next?.meta === 'output' && block.meta !== 'save' ? `${next.code}\n` : '';
    return script === undefined ? [] : [{ line: block.line, script, output }];
  });
}

/** In this shell, so that a `cd` holds for what follows. */
const running = (code: string) => `{\n${code}\n} 2>&1 < /dev/null`;

/** The first terminal: it is there once it says how to end it. */
const starting = (code: string) => `
  { ${code}; } > "$HOME/first-terminal" 2>&1 < /dev/null &
  for _ in $(seq 600); do grep -qs 'Ctrl-C stops it' "$HOME/first-terminal" && break; sleep 0.1; done
  cat "$HOME/first-terminal"`;

function saving(code: string): string {
  const name = /^\/\/ (\S+)\n/.exec(code)?.[1];
  if (name === undefined)
    throw new Error(`a program does not say in its first line where it is to be saved:\n${code}`);
  return `cat > ${name} <<'END OF THE FILE'\n${code}\nEND OF THE FILE`;
}

/** By what is to be done with a block. */
const SCRIPTS: Record<string, (code: string) => string> = { run: running, start: starting, save: saving };

const mark = (at: number) => `=== ${at} ===`;

/** `npm install` as far as this workspace can be installed, and `npx cleo` as it then is. */
function installCommands(bin: string): void {
  mkdirSync(bin);
  const links = readdirSync(join(root, 'packages')).map(
    (name) => `ln -s '${join(root, 'packages', name)}' .`,
  );
  const commands = {
    npm: `mkdir -p node_modules/@cleocode && cd node_modules/@cleocode && { ${links.join('; ')}; }`,
    npx: `shift; npm_lifecycle_event=npx exec '${process.execPath}' '${BIN}' "$@"`,
  };
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
}

/** What is left on the screen: a line that was only shown for a while is gone. */
function seen(shown: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal is sent
  const lasting = shown.replaceAll(/[^\n]*\r\x1b\[K/g, '');
  return stripVTControlCharacters(lasting).replaceAll('\r', '');
}

/** Without what is different each time: who and where, ids and figures, and whether presence has been told yet. */
function masked(shown: string, home = '/home/ada'): string {
  return shown
    .replaceAll(home, '/home/ada')
    .replaceAll(new RegExp(`\\b${userInfo().username.replaceAll(/\W/g, '\\$&')}\\b`, 'g'), 'ada')
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID')
    .replaceAll(/^( {2}seen as ).*/gm, '$1…')
    .replaceAll(/\d+(?:[.:,T-]\d+)*Z?/g, '0')
    .replaceAll(/0 (?:ms|s|min)(?: 0 (?:ms|s))*\b/g, '0 s')
    .replaceAll(/\n+$/g, '\n');
}
