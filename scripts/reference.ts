/** Writes the pages of `docs/reference`: the options from their schemas, the exports from their docstrings. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FOLDER, referencePages } from './reference/pages.ts';
import { root } from './reference/source.ts';

const pages = referencePages();
rmSync(join(root, FOLDER), { recursive: true, force: true });
for (const [file, text] of pages) {
  const path = join(root, FOLDER, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
console.log(`${pages.size} pages in ${FOLDER}`);
