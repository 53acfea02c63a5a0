/** How a message ended: every handler succeeded, or its attempts are used up. */
export type Ending = 'done' | 'given up';

const KEPT = 10_000;

/** The messages finished in this process, the latest 10,000 of them. */
export class SeenKeys {
  readonly #endings = new Map<string, Ending>();

  get(key: string): Ending | undefined {
    return this.#endings.get(key);
  }

  add(key: string, ending: Ending): void {
    this.#endings.set(key, ending);
    if (this.#endings.size > KEPT) this.#endings.delete(this.#endings.keys().next().value!);
  }
}
