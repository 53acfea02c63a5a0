import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Output } from '../packages/cleo/src/output.ts';
import { buildProgram } from '../packages/cleo/src/program.ts';
import { type Block, codeBlocks } from './support/markdown.ts';
import { shellCommands } from './support/shell.ts';
import { markdownFiles, root } from './support/workspace.ts';

const documents = markdownFiles().filter((file) => !/CHANGELOG|^\.changeset|\/templates\//.test(file));
const blocks = (lang: string) => documents.flatMap((file) => codeBlocks(file, lang));
const placed = ({ file, line }: Block, complaint: unknown) => `${file}:${line}: ${complaint}`;

describe('what the documents show beside programs', () => {
  it('are scripts that a shell can read', () => {
    const check = (script: string) => spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' }).stderr;
    const scripts = blocks('sh');
    // One process for all of them; one for each only to say where.
    if (check(scripts.map(({ code }) => code).join('\n')) === '') return;
    const complaints = scripts
      .map((block) => [block, check(block.code)] as const)
      .filter(([, said]) => said !== '');
    expect(complaints.map(([block, said]) => placed(block, said))).toEqual([
      'no script that begins what another ends',
    ]);
  });

  it('are commands that cleo knows, with their options and arguments', () => {
    const complaints = blocks('sh').flatMap((block) =>
      shellCommands(block.code).flatMap((words) => {
        const complaint = complaintAbout(words);
        return complaint === undefined ? [] : [placed(block, `${words.join(' ')}: ${complaint}`)];
      }),
    );
    expect(complaints).toEqual([]);
  });

  it('are commands of containers that cleo knows', () => {
    const shown = blocks('dockerfile').flatMap((block) =>
      [...block.code.matchAll(/\bCMD (\[.*\])$/gm)].map(([, words]) => [block, JSON.parse(words!)] as const),
    );
    expect(shown.map(([, words]) => words[0])).toEqual(['cleo', 'cleo']);
    for (const [block, words] of shown)
      expect(placed(block, complaintAbout(words))).toBe(placed(block, undefined));
  });

  it('are JSON and YAML', () => {
    const cosmiconfig = realpathSync(join(root, 'packages/kernel/node_modules/cosmiconfig/package.json'));
    const yaml = createRequire(cosmiconfig)('js-yaml') as { load(text: string): unknown };
    const complaints = [
      ...blocks('json').map((block) => [block, JSON.parse] as const),
      ...blocks('yaml').map((block) => [block, yaml.load] as const),
    ].flatMap(([block, parse]) => {
      try {
        parse(block.code);
        return [];
      } catch (error) {
        return [placed(block, error)];
      }
    });
    expect(complaints).toEqual([]);
  });

  it.skipIf(spawnSync('systemd-analyze', ['--version']).error)('are units that systemd can read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cleo-docs-units-'));
    try {
      for (const block of blocks('ini')) {
        const name = /^# \S*\/(\S+\.service)$/m.exec(block.code)?.[1];
        if (name === undefined)
          throw new Error(placed(block, 'the first line does not say which unit it is'));
        const file = join(folder, basename(name));
        // What it starts need not be installed here.
        writeFileSync(file, block.code.replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'));
        const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
        expect(placed(block, stderr)).toBe(placed(block, ''));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Why the command line would refuse these words; `undefined` when it would not, or when they are no command of cleo. */
function complaintAbout([name, ...words]: readonly string[]): string | undefined {
  if (name !== 'cleo') return undefined;
  let { command } = buildProgram({ json: false, help() {} } as unknown as Output);
  let rest = words.filter((word) => word !== '--help' && word !== '-h');
  try {
    for (;;) {
      const { operands, unknown } = command.parseOptions(rest);
      const below = command.commands.find((one) => one.name() === operands[0]);
      if (below) {
        rest = [...operands.slice(1), ...unknown];
        command = below;
        continue;
      }
      if (unknown.length > 0) return `no option ${unknown[0]}`;
      const { registeredArguments: wanted } = command;
      if (operands.length > wanted.length && !wanted.at(-1)?.variadic) return `too much: ${operands.at(-1)}`;
      return wanted.slice(operands.length).some((one) => one.required) ? 'an argument is missing' : undefined;
    }
  } catch (error) {
    return (error as Error).message;
  }
}
