import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Cli } from '../cli.ts';
import { inPackage, namesOf } from '../plugin-new/names.ts';
import { type Kind, render } from '../plugin-new/render.ts';
import { shellWord } from '../shell-word.ts';
import { UsageError } from '../usage-error.ts';

/** For git, which may wait for a disk that is away: the licence can do without. */
const GIT_MS = 2_000;

interface Options {
  transport?: boolean;
  dir?: string;
}

/** Writes a package that builds and passes its tests. Nothing that is there is touched. */
export async function run({ output }: Cli, given: string, options: Options): Promise<void> {
  const kind: Kind = options.transport ? 'transport' : 'plugin';
  const names = namesOf(given, kind);
  const dir = resolve(options.dir ?? inPackage(names.package));
  refuseUnlessEmpty(dir);
  const files = render({ kind, names, holder: (await gitUser()) ?? `the ${names.package} authors` });
  for (const [path, text] of files) {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: 'wx' });
  }
  const folder = relative('', dir) || '.';
  output.result(
    { ok: true, name: names.package, kind, dir, files: files.map(([path]) => path) },
    [
      `${names.package} is written to ${folder}:`,
      ...files.map(([path]) => `  ${path}`),
      '',
      'Next:',
      ...(folder === '.' ? [] : [`  cd ${shellWord(folder)}`]),
      '  npm install',
      '  npm test',
      '  npm publish      # builds first',
      '',
      `Use it:           npm install ${names.package}, then ${useOf(kind, names)} in cleo.config.ts`,
      'How plugins work: https://github.com/cleocode/runtime/blob/main/docs/plugins.md',
    ].join('\n'),
  );
}

function useOf(kind: Kind, { package: name }: { package: string }): string {
  return kind === 'transport' ? `transport: '${name}'` : `plugins: ['${name}']`;
}

function refuseUnlessEmpty(dir: string): void {
  try {
    if (readdirSync(dir).length === 0) return;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code !== 'ENOTDIR') throw cause;
    throw new UsageError(`${dir} cannot be a folder: a file is in the way`, 'Choose another with --dir.', {
      cause,
    });
  }
  throw new UsageError(`${dir} is not empty`, 'Choose another folder with --dir, or another name.');
}

/** The licence names who holds it, where git knows. */
function gitUser(): Promise<string | undefined> {
  return new Promise((done) => {
    execFile('git', ['config', 'user.name'], { timeout: GIT_MS }, (error, stdout) => {
      const name = stdout.trim();
      done(error || name === '' ? undefined : name);
    });
  });
}
