import { transportConformance } from '@cleocode/contracts/testing';
import { describe, it } from 'vitest';
import { httpHarness } from './harness.test.kit.ts';

describe('HttpTransport conforms', () => {
  for (const { name, run } of transportConformance())
    it(name, { timeout: 60_000 }, async ({ skip }) => {
      const harness = await httpHarness(skip);
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });
});
