import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import promises from 'node:timers/promises';
import { promisify } from 'node:util';

const RealDate = Date;
const realSetImmediate = setImmediate;
const realNow = performance.now.bind(performance);

/** Turns of the event loop given to what a timer set off: file and loopback I/O of a few steps is done in them. */
const TURNS = 5;

type Callback = (...values: unknown[]) => void;

interface Waiting {
  dueMs: number;
  /** Of those due at once, the first set goes first. */
  nth: number;
  everyMs: number | undefined;
  run(): void;
}

let installed: FakeClock | undefined;

/** Time that passes when it is told to: stands in for the timers and clocks of the whole process, one at a time. */
export class FakeClock {
  readonly #waiting = new Map<FakeTimer, Waiting>();
  readonly #startedAt = RealDate.now();
  readonly #offset = realNow();
  #ms = 0;
  #count = 0;
  #undo: (() => void)[] = [];

  static install(): FakeClock {
    if (installed) throw new Error('a fake clock is in use already: stop the kernel that has it first');
    installed = new FakeClock();
    installed.#replaceAll();
    return installed;
  }

  /** Gives the process its own clock back. What waits for the fake one waits for ever. */
  restore(): void {
    if (installed !== this) return;
    installed = undefined;
    for (const undo of this.#undo.splice(0)) undo();
    syncBuiltinESMExports();
    this.#waiting.clear();
  }

  async advance(ms: number): Promise<void> {
    const until = this.#ms + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#waiting]
        .filter(([, { dueMs }]) => dueMs <= until)
        .sort(([, a], [, b]) => a.dueMs - b.dueMs || a.nth - b.nth);
      if (!next) break;
      const [timer, waiting] = next;
      this.#ms = Math.max(this.#ms, waiting.dueMs);
      if (waiting.everyMs === undefined) this.#waiting.delete(timer);
      else waiting.dueMs += waiting.everyMs;
      waiting.run();
      await settle();
    }
    this.#ms = until;
  }

  #wait(run: () => void, ms: unknown, repeats: boolean): FakeTimer {
    // As Node does with what is no time.
    const wait = Math.max(1, Math.trunc(Number(ms)) || 1);
    const timer = new FakeTimer((one) => this.#waiting.delete(one));
    this.#count += 1;
    this.#waiting.set(timer, {
      dueMs: this.#ms + wait,
      nth: this.#count,
      everyMs: repeats ? wait : undefined,
      run,
    });
    return timer;
  }

  /** The promise of `node:timers/promises`: its value after `ms`, or a rejection when `signal` aborts. */
  #pause<T>(ms?: number, value?: T, options: { signal?: AbortSignal } = {}): Promise<T> {
    const { signal } = options;
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => {
        timer.close();
        reject(aborted(signal!));
      };
      const timer = this.#wait(
        () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(value as T);
        },
        ms,
        false,
      );
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #replaceAll(): void {
    const pause = this.#pause.bind(this);
    const setTimeout = Object.assign(
      (run: Callback, ms?: unknown, ...values: unknown[]) => this.#wait(() => run(...values), ms, false),
      { [promisify.custom]: pause },
    );
    const setInterval = (run: Callback, ms?: unknown, ...values: unknown[]) =>
      this.#wait(() => run(...values), ms, true);
    const realClear = timers.clearTimeout;
    const clear = (timer: unknown) => {
      if (timer instanceof FakeTimer) timer.close();
      else realClear(timer as NodeJS.Timeout);
    };
    for (const owner of [globalThis, timers])
      this.#replace(owner, { setTimeout, setInterval, clearTimeout: clear, clearInterval: clear });
    this.#replace(promises, {
      setTimeout: pause,
      async *setInterval<T>(ms?: number, value?: T, options?: { signal?: AbortSignal }) {
        for (;;) yield await pause(ms, value, options);
      },
    });
    const epoch = () => this.#startedAt + Math.floor(this.#ms);
    class FakeDate extends RealDate {
      constructor(...given: [] | [number]) {
        super(...((given.length > 0 ? given : [epoch()]) as [number]));
      }
      static override now(): number {
        return epoch();
      }
    }
    this.#replace(globalThis, { Date: FakeDate });
    this.#replace(performance, { now: () => this.#offset + this.#ms });
    syncBuiltinESMExports();
  }

  #replace(owner: object, members: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(members)) {
      const before = Object.getOwnPropertyDescriptor(owner, name);
      Object.defineProperty(owner, name, { configurable: true, writable: true, enumerable: true, value });
      this.#undo.push(() => {
        if (before) Object.defineProperty(owner, name, before);
        else delete (owner as Record<string, unknown>)[name];
      });
    }
  }
}

/** What `setTimeout` answers. */
class FakeTimer {
  readonly #remove: (timer: FakeTimer) => void;

  constructor(remove: (timer: FakeTimer) => void) {
    this.#remove = remove;
  }

  close(): this {
    this.#remove(this);
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function aborted(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => realSetImmediate(resolve));
}
