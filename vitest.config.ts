import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'examples/*/**/*.test.{ts,js}',
      'test/**/*.test.ts',
    ],
    pool: 'forks',
    // Many tests wait for a process or a deadline: a worker for each core would leave some idle.
    maxWorkers: availableParallelism() + 1,
    // A file leaves nothing behind for the next one; to load everything anew for each took a fifth of the time.
    isolate: false,
    // Some start a dozen processes; on a busy machine each takes a second.
    testTimeout: 40_000,
    hookTimeout: 15_000,
  },
});
