import { readFileSync } from 'node:fs';

/**
 * The version of the package that a module belongs to, for `definePlugin({ version: packageVersion(import.meta.url), … })`.
 * The module must stand in a folder of the package's root, such as `src` or `dist`.
 */
export function packageVersion(moduleUrl: string): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', moduleUrl), 'utf8'),
  );
  return manifest.version;
}
