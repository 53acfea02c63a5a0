export interface WatchdogTimes {
  /** Milliseconds without anything after which it is quiet. */
  quietMs: number;
  /** Milliseconds without anything after which it is silent. */
  silentMs: number;
}

export interface WatchdogListener {
  onQuiet(): void;
  onSilent(): void;
}

/** Tells when nothing has come for a while, and a while later again. It waits from the first {@link feed} on. */
export class Watchdog {
  readonly #listener: WatchdogListener;
  #times: WatchdogTimes;
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(times: WatchdogTimes, listener: WatchdogListener) {
    this.#times = times;
    this.#listener = listener;
  }

  /** Something has come. */
  feed(): void {
    if (this.#timers.length === 0) this.#start();
    else for (const timer of this.#timers) timer.refresh();
  }

  /** Waits for another time from now on. */
  set(times: WatchdogTimes): void {
    this.#times = times;
    if (this.#timers.length === 0) return;
    this.stop();
    this.#start();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  #start(): void {
    const { quietMs, silentMs } = this.#times;
    this.#timers = [
      setTimeout(() => this.#listener.onQuiet(), quietMs),
      setTimeout(() => this.#listener.onSilent(), silentMs),
    ];
  }
}
