import type { BeginResult, ConduitMessage, Journal } from '@cleocode/contracts';

/** At least as many of the newest keys are kept, as in the durable journal. */
const KEPT = 100_000;

interface Entry {
  attempts: number;
  failures: number;
}

/**
 * The journal of a kernel without a store: right while the process lives, forgotten with it. Bounded: the oldest done keys
 * and dead letters go first.
 */
export class MemoryJournal implements Journal {
  readonly #begun = new Map<string, Entry>();
  readonly #done = new Generations<true>(KEPT);
  readonly #dead = new Generations<{ message: ConduitMessage; reason: string }>(KEPT);
  readonly #cursors = new Map<string, number>();

  begin(key: string): BeginResult {
    if (this.#done.has(key)) return { state: 'done' };
    if (this.#dead.has(key)) return { state: 'dead' };
    const entry = this.#begun.get(key);
    if (entry) {
      entry.attempts += 1;
      return { state: 'begun', attempt: entry.attempts, failures: entry.failures };
    }
    this.#begun.set(key, { attempts: 1, failures: 0 });
    return { state: 'begun', attempt: 1, failures: 0 };
  }

  done(key: string): void {
    this.#begun.delete(key);
    this.#done.set(key, true);
  }

  failed(key: string): void {
    const entry = this.#begun.get(key);
    if (entry) entry.failures += 1;
  }

  release(key: string): void {
    const entry = this.#begun.get(key);
    if (!entry) return;
    entry.attempts -= 1;
    if (entry.attempts === 0) this.#begun.delete(key);
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
