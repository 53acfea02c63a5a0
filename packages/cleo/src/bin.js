#!/usr/bin/env node
// JavaScript, so that Node need not load its TypeScript support for this one file: everything after it comes from the
// compile cache, types already stripped.
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V') && !process.env.CLEO_OUTPUT) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${version}\n`);
} else {
  enableCompileCache();
  const { main } = await import('./main.ts');
  await main(argv);
}
