import { onTestFinished, vi } from 'vitest';
import { createKernel, type Kernel, type KernelConfig } from './index.ts';
import { recordLogs } from './kernel.test.parts.ts';

export * from './kernel.test.parts.ts';

/** A kernel whose log goes nowhere, stopped at the end of the test. */
export function kernelOf(config: KernelConfig): Kernel {
  const kernel = createKernel({ logger: recordLogs().logger, ...config });
  onTestFinished(async () => void (await kernel.stop()));
  return kernel;
}

/** What a promise rejected with; fails when it did not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol('nothing');
  const error = await promise.then(
    () => nothing,
    (reason) => reason,
  );
  if (error === nothing) throw new Error('it did not reject');
  return error;
}

/** Waits for a condition that must come about; a busy machine takes its time. */
export function until(condition: () => unknown): Promise<unknown> {
  return vi.waitUntil(condition, { interval: 2 });
}
