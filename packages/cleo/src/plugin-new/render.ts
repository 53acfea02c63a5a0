import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageVersion } from '@cleocode/kernel';
import type { Names } from './names.ts';

export type Kind = 'plugin' | 'transport';

export interface RenderOptions {
  kind: Kind;
  names: Names;
  /** Who holds the licence. */
  holder: string;
}

/** Beside `src` and `dist`: real files of a package that is called `cleo-plugin-template`. */
const TEMPLATES = join(import.meta.dirname, '../../templates');

/** The files of a new package, by their paths in it. */
export function render({ kind, names, holder }: RenderOptions): [path: string, text: string][] {
  return ['common', kind]
    .flatMap((part) =>
      globSync('**/*.{ts,json,md}', { cwd: join(TEMPLATES, part) })
        .concat(part === 'common' ? ['LICENSE', 'gitignore'] : [])
        .map((path): [string, string] => [
          path.replaceAll('\\', '/'),
          readFileSync(join(TEMPLATES, part, path), 'utf8'),
        ]),
    )
    .map(([path, text]): [string, string] => {
      // By other names, because npm reads files of these names in the package that the templates are in.
      if (path === 'manifest.json') return ['package.json', manifest(text, kind, names)];
      if (path === 'gitignore') return ['.gitignore', text];
      if (path === 'LICENSE')
        return [path, text.replace('YEAR HOLDER', () => `${new Date().getFullYear()} ${holder}`)];
      return [path, renamed(text, names)];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function renamed(text: string, { package: name, camel, pascal }: Names): string {
  return text
    .replaceAll('cleo-plugin-template', name)
    .replaceAll('templateTransport', `${camel}Transport`)
    .replaceAll('Template', pascal)
    .replaceAll('template', camel);
}

/** With the versions of the packages that this command runs with. */
function manifest(text: string, kind: Kind, { package: name }: Names): string {
  const made = JSON.parse(text) as Record<string, Record<string, string> & string>;
  for (const list of ['dependencies', 'peerDependencies', 'devDependencies'])
    for (const dependency of Object.keys(made[list] ?? {}))
      if (dependency.startsWith('@cleocode/'))
        made[list]![dependency] = `^${packageVersion(import.meta.resolve(dependency))}`;
  return `${JSON.stringify({ ...made, name, description: `A ${kind} for Cleo agents.` }, undefined, 2)}\n`;
}
