import { readFileSync } from 'node:fs';

/** The version of this package. Not the kernel's helper: it would cost each command line the import of the kernel. */
export function ownVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
