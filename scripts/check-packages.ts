/**
 * Checks every public package as its users get it: built, packed, linted, then installed with npm into an empty
 * project outside the workspace, imported, type-checked and run there. Prints one line per check; exits 1 on a problem.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { checkAlone } from './check-alone.ts';
import { checkExamples } from './check-examples.ts';
import { checkNewcomer } from './check-newcomer.ts';
import { checkPluginNew } from './check-plugin-new.ts';
import { installFrom } from './installed.ts';
import {
  build,
  entryPoints,
  type Packed,
  pack,
  readJson,
  root,
  run,
  usePinnedTools,
  writeJson,
} from './packed.ts';

const temporary = mkdtempSync(join(tmpdir(), 'cleo-packages-'));
const consumer = join(temporary, 'consumer');
let problems = 0;

usePinnedTools();

try {
  if (await check('build', () => build().then(() => []))) await checkPacked(await pack(temporary));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
console.log(problems === 0 ? 'All packages are fit to publish.' : `Checks that failed: ${problems}.`);
process.exitCode = problems === 0 ? 0 : 1;

async function checkPacked(packages: Packed[]): Promise<void> {
  for (const one of packages) {
    await check(`${one.manifest.name}: contents, publint, types resolve`, async () => [
      ...contents(one),
      ...(await lint(one)),
      ...(await typesResolve(one)),
    ]);
  }
  if (!(await check('npm install of the tarballs', () => install(packages)))) return;
  const entries = packages.flatMap(entryPoints);
  for (const entry of entries) await check(`import ${entry}`, () => importEntry(entry));
  await checkAlone(packages, temporary, check);
  await checkExamples(packages, temporary, check);
  await check('type-check against the installed packages', () => typeCheck(entries));
  for (const one of packages) {
    for (const bin of Object.keys(one.manifest.bin ?? {})) {
      await check(`${bin} --version`, () => printsVersion(one, bin));
    }
  }
  const plugin = await checkPluginNew(packages, consumer, check);
  if (plugin) await checkNewcomer(packages, plugin, temporary, check);
}

/** Runs one check and prints its line with the problems it returns or throws. */
async function check(name: string, body: () => Promise<string[]>): Promise<boolean> {
  const found = await body().catch((error: Error) => [error.message]);
  console.log(`${found.length ? 'FAIL' : 'ok  '}  ${name}`);
  for (const problem of found) console.log(`      ${problem.trimEnd().replaceAll('\n', '\n      ')}`);
  if (found.length) problems++;
  return found.length === 0;
}

function contents({ manifest, folder, files }: Packed): string[] {
  const targets = [
    ...Object.entries(manifest.exports ?? {}).flatMap(([path, target]) =>
      (typeof target === 'string' ? [target] : Object.values(target)).map((file) => ({
        key: `exports["${path}"]`,
        file,
      })),
    ),
    ...Object.entries(manifest.bin ?? {}).map(([name, file]) => ({ key: `bin.${name}`, file })),
  ];
  return [
    ...['README.md', 'LICENSE'].filter((file) => !files.includes(file)).map((file) => `${file} is missing`),
    ...targets
      .filter(({ file }) => !file.startsWith('./dist/') || !existsSync(join(folder, file)))
      .map(({ key, file }) => `${key} points at ${file}, which is not a file of dist`),
    ...files
      .filter(
        (file) =>
          !/^(dist\/.+\.(js|d\.ts|js\.map)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file) &&
          !isTemplate(file),
      )
      .map((file) => `${file} does not belong in a package`),
    ...files
      .filter(
        (file) => /\.(test|spec)\.|(^|\/)(test|tests|fixtures|__\w+__)\//.test(file) && !isTemplate(file),
      )
      .map((file) => `${file} is a test`),
    ...['workspace:', 'catalog:']
      .filter((protocol) => JSON.stringify(manifest).includes(`"${protocol}`))
      .map((protocol) => `package.json still says ${protocol}`),
  ];
}

/** The source of what `cleo plugin new` writes, its tests included. */
function isTemplate(file: string): boolean {
  return /^templates\/.+(\.(ts|json|md)|\/(LICENSE|gitignore))$/.test(file);
}

async function lint({ folder }: Packed): Promise<string[]> {
  const { messages, pkg } = await publint({ pkgDir: folder, pack: false, strict: true });
  return messages.map(
    (message) => `${message.type}: ${formatMessage(message, pkg, { color: false }) ?? message.code}`,
  );
}

async function typesResolve({ tarball }: Packed): Promise<string[]> {
  return failure('attw', ['--profile', 'esm-only', '--no-emoji', '--format', 'ascii', tarball], root);
}

async function install(packages: Packed[]): Promise<string[]> {
  await installFrom(
    packages,
    consumer,
    Object.fromEntries(packages.map(({ manifest }) => [manifest.name, undefined])),
  );
  const lock = readJson<{ packages: Record<string, { resolved?: string }> }>(
    join(consumer, 'package-lock.json'),
  );
  return Object.entries(lock.packages)
    .filter(([path, { resolved }]) => /(^|\/)@cleocode\/[^/]+$/.test(path) && !resolved?.startsWith('file:'))
    .map(([path, { resolved }]) => `${path} came from ${resolved}, not from its tarball`);
}

/** An import must not fail, print, or keep the process alive. */
async function importEntry(entry: string): Promise<string[]> {
  const printed = await run(
    process.execPath,
    ['--input-type=module', '--eval', `import '${entry}'`],
    consumer,
  );
  return printed === '' ? [] : [`printed ${printed}`];
}

/** With `skipLibCheck` off: the declarations must hold by themselves. */
async function typeCheck(entries: string[]): Promise<string[]> {
  writeFileSync(
    join(consumer, 'consumer.ts'),
    entries.map((entry, index) => `export type * as entry${index} from '${entry}';\n`).join(''),
  );
  writeJson(join(consumer, 'tsconfig.json'), {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    },
    files: ['consumer.ts'],
  });
  return failure('tsc', ['--project', consumer], consumer);
}

async function printsVersion({ manifest }: Packed, bin: string): Promise<string[]> {
  const printed = await run(join(consumer, 'node_modules/.bin', bin), ['--version'], consumer);
  return printed.includes(manifest.version) ? [] : [`printed ${printed}, not ${manifest.version}`];
}

/** What a command that must succeed had to say when it did not. */
function failure(command: string, args: string[], cwd: string): Promise<string[]> {
  return run(command, args, cwd).then(
    () => [],
    (error: Error) => [error.message],
  );
}
