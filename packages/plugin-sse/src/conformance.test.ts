import { transportConformance } from '@cleocode/contracts/testing';
import { describe, it } from 'vitest';
import { sseHarness } from './harness.test.kit.ts';

describe('SseTransport conforms', () => {
  for (const { name, run } of transportConformance())
    it(name, { timeout: 60_000 }, async ({ skip }) => {
      const harness = await sseHarness(skip);
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });
});
