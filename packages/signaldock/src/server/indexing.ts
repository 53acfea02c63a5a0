import { backoff, pause } from '@cleocode/contracts';
import type { Dock } from '../dock.ts';

const EVERY_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

/** Indexes at once and then now and again what was sent, so that no search has to. Where nothing was, it is one short read. */
export function keepIndexing(
  dock: Pick<Dock, 'indexForSearch'>,
  onError: (error: unknown) => void,
  everyMs: number = EVERY_MS,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async () => {
    for (let failures = 0; !signal.aborted; await pause(backoff(failures, everyMs, MAX_PAUSE_MS), signal)) {
      try {
        await dock.indexForSearch({ signal });
        failures = 0;
      } catch (error) {
        failures += 1;
        onError(error);
      }
    }
  };
  const running = run();
  return {
    stop() {
      stopping.abort();
      return running;
    },
  };
}
