import { execFile, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anchors, type Block, codeBlocks, relativeLinks } from './support/markdown.ts';
import { markdownFiles, packages, root } from './support/workspace.ts';

/** One of them runs a whole conformance table. */
const RUN_DEADLINE_MS = 60_000;
mkdirSync(join(root, '.tmp'), { recursive: true });
/** Inside the workspace, so that Node strips the types of what the programs import. */
const folder = mkdtempSync(join(root, '.tmp', 'docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const documents = markdownFiles();
const programs = documents
  .filter((file) => /^(README\.md|packages\/[^/]+\/README\.md|docs\/.+\.md)$/.test(file))
  .flatMap((file) => codeBlocks(file, 'ts'))
  .filter(({ code }) => /^(\s*\/\/.*\n)*\s*import\b/.test(code));

describe('programs in the documents', () => {
  let diagnostics: string[] = [];

  beforeAll(() => {
    layOut(programs);
    const tsc = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', '--project', folder],
      { cwd: folder, encoding: 'utf8', timeout: 60_000 },
    );
    if (tsc.error) throw tsc.error;
    diagnostics = tsc.stdout.split('\n');
    const unusable = diagnostics.find((line) => /^(tsconfig\.json\(.*)?error TS/.test(line));
    if (unusable) throw new Error(`The programs were not type-checked: ${unusable}`);
  }, 90_000);

  it.for(programs)('$file:$line type-checks', (program) => {
    const name = basename(fileOf(program));
    const complaints = diagnostics
      .filter((line) => line.startsWith(`${name}(`))
      .map((line) => line.replace(/^[^(]+\((\d+),(\d+)\)/, `${program.file}:$1:$2`));
    expect(complaints).toEqual([]);
  });

  // They wait more than they work: started one after the other they take minutes.
  it.concurrent.for(programs.filter(({ meta }) => meta === 'run'))(
    '$file:$line runs',
    { timeout: RUN_DEADLINE_MS + 5_000 },
    async (program) => {
      const cwd = mkdtempSync(join(tmpdir(), 'cleo-docs-'));
      const env = { ...process.env, HOME: cwd };
      try {
        await promisify(execFile)(process.execPath, [fileOf(program)], {
          cwd,
          env,
          timeout: RUN_DEADLINE_MS,
          killSignal: 'SIGKILL',
        }).catch(({ code, signal, stdout, stderr }) => {
          const outcome = signal ? `${signal} after ${RUN_DEADLINE_MS} ms` : `exit ${code}`;
          throw new Error(`${program.file}:${program.line}: ${outcome}\n${stdout}${stderr}`);
        });
      } finally {
        rmSync(cwd, { recursive: true, force: true });
      }
    },
  );
});

it.for(documents)('the links of %s point at something', (file) => {
  const broken = relativeLinks(file).filter(({ url }) => {
    const [path = '', anchor] = decodeURI(url).split('#');
    const target = path === '' ? file : join(dirname(file), path);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && target.endsWith('.md') && !anchors(target).has(anchor);
  });
  expect(broken.map(({ line, url }) => `${file}:${line}: ${url}`)).toEqual([]);
});

/** Writes each program where it finds the packages as an installed project would, on the lines it has in its document. */
function layOut(blocks: Block[]): void {
  for (const [name, target] of installed()) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }
  const compilerOptions = { composite: false, noEmit: true };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions, files: blocks.map(fileOf) }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const block of blocks) writeFileSync(fileOf(block), '\n'.repeat(block.line) + block.code);
}

/** Every package of the workspace and everything one of them depends on. */
function installed(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { folder: name, manifest } of packages()) {
    const modules = join(root, 'packages', name, 'node_modules');
    for (const dependency of globSync(['[!@.]*', '@*/*'], { cwd: modules })) {
      found.set(dependency, join(modules, dependency));
    }
    found.set(manifest.name, join(root, 'packages', name));
  }
  return found;
}

function fileOf({ file, line }: Block): string {
  return join(folder, `${file.replaceAll(/[^\w-]+/g, '-')}-${line}.ts`);
}
