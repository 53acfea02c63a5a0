import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const tests = [
  'packages/*/src/**/*.test.ts',
  'packages/*/test/**/*.test.ts',
  'examples/*/**/*.test.{ts,js}',
  'test/**/*.test.ts',
];
/** What such a file puts in a module's place would be in the way of the files that come after it. */
const replacing = globSync('packages/*/src/**/*.test.ts', { cwd: import.meta.dirname }).filter((file) =>
  /vi\.(mock|resetModules)\(/.test(readFileSync(join(import.meta.dirname, file), 'utf8')),
);

export default defineConfig({
  test: {
    pool: 'forks',
    // Many tests wait for a process or a deadline: a worker for each core would leave them idle.
    maxWorkers: availableParallelism() + 2,
    // Some start a dozen processes; on a busy machine each takes a second.
    testTimeout: 90_000,
    hookTimeout: 40_000,
    setupFiles: [join(import.meta.dirname, 'test/support/patience.ts')],
    expect: { poll: { timeout: 20_000 } },
    projects: [
      // To load everything anew for each file took a fifth of the time.
      {
        extends: true,
        test: { name: 'all', include: tests, exclude: [...replacing, '**/node_modules/**'], isolate: false },
      },
      { extends: true, test: { name: 'replacing', include: replacing, isolate: true } },
    ],
  },
});
