import type { KernelTimeouts } from './config/types.ts';

export function timeoutsWithDefaults(timeouts: KernelTimeouts = {}): Required<KernelTimeouts> {
  return {
    initMs: timeouts.initMs ?? 10_000,
    startMs: timeouts.startMs ?? 10_000,
    messageMs: timeouts.messageMs ?? 300_000,
    drainMs: timeouts.drainMs ?? 10_000,
    stopMs: timeouts.stopMs ?? 5_000,
  };
}
