/**
 * What a test waits for comes in milliseconds; on a machine that is busy with other tests it may take seconds. The tools wait
 * one second unless told otherwise, and a fault shows as well after twenty.
 */
import { vi } from 'vitest';

const PATIENCE_MS = 20_000;

const { waitFor, waitUntil } = vi;
vi.waitFor = (body, options) => waitFor(body, patient(options));
vi.waitUntil = (condition, options) => waitUntil(condition, patient(options));

function patient<T extends { timeout?: number }>(options: number | T = {} as T): T {
  return typeof options === 'number' ? ({ timeout: options } as T) : { timeout: PATIENCE_MS, ...options };
}
