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
    // Many tests wait for a process or a deadline: on a small machine one worker would leave it idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Some start a dozen processes; on a busy machine each takes a second.
    testTimeout: 40_000,
    hookTimeout: 15_000,
  },
});
