import { CleoError, NO_FEATURES, type ServerFeatures } from '@cleocode/contracts';

const FRESH_MS = 10 * 60_000;
/** After an answer that tells nothing, or none. */
const ASK_AGAIN_MS = 60_000;

/**
 * What the server announces, asked when it is first needed and then now and then. A server that answers its health with
 * an error has no more than the record offers: correct, merely slower.
 */
export class Features {
  readonly #ask: () => Promise<ServerFeatures>;
  readonly #now: () => number;
  #known: ServerFeatures | undefined;
  #freshUntil = 0;
  #asking: Promise<ServerFeatures> | undefined;

  constructor(ask: () => Promise<ServerFeatures>, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  /** Asks once for all who wait. Rejects only when the server gives no answer and never gave one. */
  get(): Promise<ServerFeatures> {
    if (this.#known && this.#now() < this.#freshUntil) return Promise.resolve(this.#known);
    this.#asking ??= this.#refresh().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** The server may have become another: it is asked again before the next use. */
  expire(): void {
    this.#freshUntil = 0;
  }

  async #refresh(): Promise<ServerFeatures> {
    try {
      this.#known = await this.#ask();
      this.#freshUntil = this.#now() + FRESH_MS;
    } catch (error) {
      if (!this.#known && !isAnswer(error)) throw error;
      this.#known ??= NO_FEATURES;
      this.#freshUntil = this.#now() + ASK_AGAIN_MS;
    }
    return this.#known;
  }
}

function isAnswer(error: unknown): boolean {
  return CleoError.is(error) && typeof error.details?.status === 'number';
}
