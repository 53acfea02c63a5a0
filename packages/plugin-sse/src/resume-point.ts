import { type MaybePromise, withDeadline } from '@cleocode/contracts';

/**
 * Keeps the id after which a stream is to go on, beyond the process. It spares the server a look back and decides nothing: each
 * connection is followed by a catch-up, whatever the id is.
 */
export interface ResumeStore {
  load(): MaybePromise<string | undefined>;
  save(id: string): MaybePromise<void>;
}

const SAVE_MS = 1_000;
const DEADLINE_MS = 2_000;
/** An id is a token; what is longer, or cannot stand in a header, is none. */
const ID = /^\P{Cc}{1,256}$/u;

/** The id of the last event up to which everything was taken. */
export class ResumePoint {
  readonly #store: ResumeStore | undefined;
  #id = '';
  #saved = '';
  #timer: NodeJS.Timeout | undefined;
  /** One save after another. */
  #turn: Promise<void> = Promise.resolve();

  constructor(store?: ResumeStore) {
    this.#store = store;
  }

  /** `undefined` when there is nothing to go on after. */
  get id(): string | undefined {
    return this.#id || undefined;
  }

  /** Reads what the last process left. Never rejects. */
  async load(): Promise<void> {
    const id = await this.#quietly(async () => this.#store?.load());
    this.#id = this.#saved = usable(id ?? '');
  }

  /** Moves on, and saves it within a second. An empty id means that there is nothing to go on after. */
  set(id: string): void {
    this.#id = usable(id);
    if (this.#store) this.#timer ??= setTimeout(() => this.#save(), SAVE_MS);
  }

  /** Resolves once everything is saved that can be. Never rejects. */
  async close(): Promise<void> {
    this.#save();
    await this.#turn;
  }

  #save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#turn = this.#turn.then(async () => {
      const id = this.#id;
      if (id === this.#saved) return;
      await this.#quietly(async () => this.#store?.save(id));
      this.#saved = id;
    });
  }

  /** A store that fails costs a look back at the server, which is not worth a word. */
  #quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
    return withDeadline(work(), DEADLINE_MS, () => undefined).catch(() => undefined);
  }
}

function usable(id: string): string {
  return ID.test(id) ? id : '';
}
