import type { BeginResult, Journal } from '@cleocode/contracts';

/** At least as many of the newest keys are kept, as in the durable journal. */
const KEPT = 100_000;

type Begun = Extract<BeginResult, { state: 'begun' }>;

/** What nearly every message gets: shared, so that a first attempt allocates nothing. */
const FIRST: Begun = Object.freeze({ state: 'begun', attempt: 1, failures: 0 });
const DONE: BeginResult = Object.freeze({ state: 'done' });
const DEAD: BeginResult = Object.freeze({ state: 'dead' });

/**
 * The journal of a kernel without a store: right while the process lives, forgotten with it. Bounded: at least the newest
 * 100,000 keys are remembered, the rest is forgotten wholesale.
 */
export class MemoryJournal implements Journal {
  /** Two generations, because deleting the oldest key one by one would walk over the holes earlier deletions left. */
  #young = new Map<string, BeginResult>();
  #old = new Map<string, BeginResult>();
  readonly #cursors = new Map<string, number>();
  readonly #marks = new Map<string, string>();

  begin(key: string): BeginResult {
    const before = this.#get(key);
    if (before && before.state !== 'begun') return before;
    const begun = before ? { ...before, attempt: before.attempt + 1 } : FIRST;
    this.#set(key, begun);
    return begun;
  }

  done(key: string): void {
    this.#set(key, DONE);
  }

  failed(key: string): void {
    const before = this.#get(key);
    if (before?.state === 'begun') this.#set(key, { ...before, failures: before.failures + 1 });
  }

  release(key: string): void {
    const before = this.#get(key);
    if (before?.state === 'begun') this.#set(key, { ...before, attempt: before.attempt - 1 });
  }

  dead(key: string): void {
    this.#set(key, DEAD);
  }

  getCursor(name: string): number | undefined {
    return this.#cursors.get(name);
  }

  setCursor(name: string, value: number): void {
    this.#cursors.set(name, value);
  }

  getMark(name: string): string | undefined {
    return this.#marks.get(name);
  }

  setMark(name: string, value: string): void {
    this.#marks.set(name, value);
  }

  #get(key: string): BeginResult | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  #set(key: string, state: BeginResult): void {
    this.#young.set(key, state);
    if (this.#young.size < KEPT) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
