/**
 * Tries each public package by itself: npm installs its tarball into an empty folder and brings what it declares, every
 * entry point is imported, the programs of its README run. What was installed may not have grown over a tenth beyond what
 * the README says. `CLEO_NODES` lists other Nodes to try: they import everything and run the first program, with
 * `--thorough` every one.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { parseSync } from 'oxc-parser';
import { type Block, codeBlocks } from '../test/support/markdown.ts';
import { footprintLine, footprintOf, type Installed, installAlone } from './installed.ts';
import { entryPoints, type Packed, root, run } from './packed.ts';

/** They wait more than they work. */
const AT_ONCE = 3;
const EXAMPLE_MS = 60_000;
const GROWTH = 1.1;
const thorough = process.argv.includes('--thorough');

type Check = (name: string, body: () => Promise<string[]>) => Promise<boolean>;

interface Program extends Block {
  /** The packages it imports, those of Node left out. */
  needs: string[];
}

export async function checkAlone(packages: Packed[], temporary: string, check: Check): Promise<void> {
  const nodes = [process.execPath, ...(process.env.CLEO_NODES ?? '').split(delimiter).filter(Boolean)];
  const versions = await Promise.all(nodes.map((node) => run(node, ['--version'], root)));
  const waiting = [...packages];
  const worker = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      await check(`${one.manifest.name} alone, on Node ${versions.join(', ')}`, () =>
        alone(one, packages, join(temporary, 'alone', basename(one.source)), nodes),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function alone(one: Packed, packages: Packed[], folder: string, nodes: string[]): Promise<string[]> {
  const { manifest } = one;
  const declared = new Set([
    manifest.name,
    ...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }),
  ]);
  const programs = programsOf(one);
  const own = programs.filter(({ needs }) => needs.every((name) => declared.has(name)));
  const others = programs.filter((program) => !own.includes(program));

  const installed = await installAlone(one, packages, folder);
  const problems = [...installed.problems, ...grown(one, installed)];
  for (const node of nodes) {
    problems.push(...(await imports(one, folder, node)));
    const chosen = node === process.execPath || thorough ? own : own.slice(0, 1);
    for (const program of chosen) problems.push(...(await runs(program, folder, node)));
  }
  if (others.length === 0) return problems;

  // These use packages that the reader was told to install too.
  const names = new Set(others.flatMap(({ needs }) => needs.filter((name) => !declared.has(name))));
  const extras = packages.filter((other) => names.has(other.manifest.name));
  const beside = await installAlone(one, packages, folder, extras);
  problems.push(...beside.problems);
  for (const program of others) problems.push(...(await runs(program, folder, process.execPath)));
  return problems;
}

/** An import must not fail, print, or keep the process alive. */
async function imports(one: Packed, folder: string, node: string): Promise<string[]> {
  const program = entryPoints(one)
    .map((entry) => `await import('${entry}');`)
    .join('\n');
  try {
    const printed = await run(node, ['--input-type=module', '--eval', program], folder);
    return printed === '' ? [] : [`an import printed ${printed}`];
  } catch (error) {
    return [(error as Error).message];
  }
}

async function runs({ file, line, code }: Program, folder: string, node: string): Promise<string[]> {
  const program = join(folder, `line-${line}.ts`);
  const home = mkdtempSync(join(folder, 'home-'));
  writeFileSync(program, '\n'.repeat(line) + code);
  try {
    const env = { ...process.env, HOME: home };
    await run(node, [program], home, { env, timeoutMs: EXAMPLE_MS });
    return [];
  } catch (error) {
    return [`${file}:${line} does not run: ${(error as Error).message}`];
  }
}

function programsOf({ source }: Packed): Program[] {
  return codeBlocks(`${source}/README.md`, 'ts')
    .filter(({ meta }) => meta === 'run')
    .map((block) => ({ ...block, needs: packagesIn(block.code) }));
}

function packagesIn(code: string): string[] {
  const { staticImports } = parseSync('program.ts', code).module;
  return staticImports
    .map(({ moduleRequest }) => moduleRequest.value)
    .filter((specifier) => !specifier.startsWith('node:'))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
}

function grown({ source }: Packed, { bytes, brought }: Installed): string[] {
  const readme = readFileSync(join(root, source, 'README.md'), 'utf8');
  const said = footprintOf(readme);
  const cure = 'run `npx -y pnpm@12 measure:packages` and look at what changed';
  if (!said) return [`${source}/README.md does not say what is installed: ${cure}`];
  const limit = said.bytes * GROWTH;
  if (bytes <= limit && brought <= said.brought + 2) return [];
  return [
    `grew beyond its README ("${footprintLine(said)}"): ${(bytes / 1e6).toFixed(2)} MB with ${brought} packages; ${cure}`,
  ];
}
