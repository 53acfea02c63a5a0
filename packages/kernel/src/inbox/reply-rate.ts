const WINDOW_MS = 60_000;
/** Conversations counted at once; the one that was answered least lately is forgotten first. */
const MOST = 1_000;

interface Window {
  /** Number of the minute that `now` counts. */
  minute: number;
  now: number;
  before: number;
}

/** About how often each conversation was answered within the last minute. */
export class ReplyRate {
  readonly #windows = new Map<string, Window>();

  count(conversation: string): void {
    const window = this.#current(conversation) ?? { minute: minuteNow(), now: 0, before: 0 };
    window.now += 1;
    // To the end, so that the first is the one that was answered least lately.
    this.#windows.delete(conversation);
    this.#windows.set(conversation, window);
    if (this.#windows.size > MOST) this.#windows.delete(this.#windows.keys().next().value!);
  }

  /** What is left of the minute before counts by as much as it still reaches into the last one. */
  of(conversation: string): number {
    const window = this.#current(conversation);
    if (!window) return 0;
    const passed = (performance.now() % WINDOW_MS) / WINDOW_MS;
    return window.now + Math.floor(window.before * (1 - passed));
  }

  forget(conversation: string): void {
    this.#windows.delete(conversation);
  }

  #current(conversation: string): Window | undefined {
    const window = this.#windows.get(conversation);
    const minute = minuteNow();
    if (!window || window.minute === minute) return window;
    window.before = window.minute === minute - 1 ? window.now : 0;
    window.now = 0;
    window.minute = minute;
    return window;
  }
}

function minuteNow(): number {
  return Math.floor(performance.now() / WINDOW_MS);
}
