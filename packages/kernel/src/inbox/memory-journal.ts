import type { BeginResult, ConduitMessage, Journal } from '@cleocode/contracts';

/** At least as many of the newest keys are kept, as in the durable journal. */
const KEPT = 100_000;

type Begun = Extract<BeginResult, { state: 'begun' }>;

/** What nearly every message gets: shared, so that a first attempt allocates nothing. */
const FIRST: Begun = Object.freeze({ state: 'begun', attempt: 1, failures: 0 });
const DONE: BeginResult = Object.freeze({ state: 'done' });
const DEAD: BeginResult = Object.freeze({ state: 'dead' });

/**
 * The journal of a kernel without a store: right while the process lives, forgotten with it. Bounded: the oldest done keys
 * and dead letters go first.
 */
export class MemoryJournal implements Journal {
  readonly #begun = new Map<string, Begun>();
  readonly #done = new Generations<true>(KEPT);
  readonly #dead = new Generations<{ message: ConduitMessage; reason: string }>(KEPT);
  readonly #cursors = new Map<string, number>();

  begin(key: string): BeginResult {
    if (this.#done.has(key)) return DONE;
    if (this.#dead.has(key)) return DEAD;
    const before = this.#begun.get(key);
    const begun = before ? { ...before, attempt: before.attempt + 1 } : FIRST;
    this.#begun.set(key, begun);
    return begun;
  }

  done(key: string): void {
    this.#begun.delete(key);
    this.#done.set(key, true);
  }

  failed(key: string): void {
    const begun = this.#begun.get(key);
    if (begun) this.#begun.set(key, { ...begun, failures: begun.failures + 1 });
  }

  release(key: string): void {
    const begun = this.#begun.get(key);
    if (!begun) return;
    if (begun.attempt === 1) this.#begun.delete(key);
    else this.#begun.set(key, { ...begun, attempt: begun.attempt - 1 });
  }

  dead(key: string, message: ConduitMessage, reason: string): void {
    this.#begun.delete(key);
    this.#dead.set(key, { message, reason });
  }

  getCursor(name: string): number | undefined {
    return this.#cursors.get(name);
  }

  setCursor(name: string, value: number): void {
    this.#cursors.set(name, value);
  }
}

/**
 * Remembers at least the newest `size` keys and forgets the rest wholesale. Deleting the oldest one by one would walk over
 * the holes that earlier deletions left in the map.
 */
class Generations<V> {
  readonly #size: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(size: number) {
    this.#size = size;
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#size) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
