import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Expression, parseSync, Visitor } from 'oxc-parser';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Manifest {
  name: string;
  exports: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

export interface Import {
  specifier: string;
  line: number;
}

interface SourceFile {
  /** Relative to the workspace root, with forward slashes. */
  path: string;
  /** Every static, dynamic, type-only and re-exporting import. */
  imports: Import[];
  /** Every `E_…` that stands in the code as a string or as a property name. */
  errorCodes: string[];
}

export interface Package {
  /** The folder under `packages/`. */
  folder: string;
  manifest: Manifest;
  /** What is published: no tests. */
  sources: SourceFile[];
}

export function packages(): Package[] {
  return globSync('packages/*/package.json', { cwd: root })
    .sort()
    .map((file) => {
      const folder = dirname(file);
      return {
        folder: folder.slice('packages/'.length),
        manifest: JSON.parse(read(file)) as Manifest,
        sources: globSync(`${folder}/src/**/*.{js,ts}`, { cwd: root })
          .filter((path) => !/\.test\./.test(path))
          .sort()
          .map(parse),
      };
    });
}

/** Test files of the packages and of the workspace, relative to its root. */
export function testFiles(): string[] {
  return globSync(['packages/*/{src,test}/**/*.test.ts', 'test/**/*.test.ts', 'faults/**/*.ts'], {
    cwd: root,
  }).sort();
}

/** Markdown files that are or will be committed, relative to the workspace root. */
export function markdownFiles(): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  return listed
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(root, file)))
    .sort();
}

export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function parse(path: string): SourceFile {
  const text = read(path);
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);

  const imports: Import[] = [];
  const importFrom = ({ source }: { source: Expression | null }) => {
    if (source?.type !== 'Literal' || typeof source.value !== 'string') return;
    imports.push({ specifier: source.value, line: text.slice(0, source.start).split('\n').length });
  };
  const codes = new Set<string>();
  const prefixes = new Set<number>();
  const collect = (value: unknown) => {
    if (typeof value === 'string' && /^E(_[A-Z0-9]+)+$/.test(value)) codes.add(value);
  };
  new Visitor({
    ImportDeclaration: importFrom,
    ExportNamedDeclaration: importFrom,
    ExportAllDeclaration: importFrom,
    ImportExpression: importFrom,
    TSImportType: importFrom,
    // `code.startsWith('E_NOT_FOUND')` names a family, not a code.
    CallExpression: ({ callee, arguments: args }) => {
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return;
      if (callee.property.name === 'startsWith' && args[0]) prefixes.add(args[0].start);
    },
    Literal: ({ value, start }) => collect(prefixes.has(start) ? undefined : value),
    Property: ({ key }) => collect(key.type === 'Identifier' ? key.name : undefined),
  }).visit(program);

  return { path, imports, errorCodes: [...codes].sort() };
}
