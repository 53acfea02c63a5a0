import { uptime } from 'node:os';

/** Milliseconds since it was made, whatever anybody sets the clock of the host to. The host's sleep counts where its uptime tells. */
export class SteadyClock {
  readonly #clocks: readonly { read: () => number; start: number }[];

  /** `clocks`, in milliseconds; the one that has gone furthest is right, for none can go ahead of time. For tests. */
  constructor(clocks: readonly (() => number)[] = [() => performance.now(), () => uptime() * 1_000]) {
    this.#clocks = clocks.map((read) => ({ read, start: read() }));
  }

  now(): number {
    return Math.max(...this.#clocks.map(({ read, start }) => read() - start));
  }
}
