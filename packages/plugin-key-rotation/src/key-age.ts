import { createHash } from 'node:crypto';

/** A random part of its lifetime in which a key is replaced, so that agents which began together do not rotate together. */
const EARLIEST = 0.7;
const LATEST = 0.9;

export interface Clocks {
  /** Milliseconds that pass, whatever the clock of the host is set to. */
  steady(): number;
  /** Epoch milliseconds by the backend's clock; `undefined` while nobody knows. */
  backend(): number | undefined;
  /** Epoch milliseconds by the clock of this host. */
  host(): number;
}

/**
 * How old the current key is. By the backend's clock where that is known; else by the host's, which is believed once, at the
 * first sight of a key: from there on the time that passes counts, so that setting a clock neither ages a key nor keeps it young.
 */
export class KeyAge {
  readonly #clocks: Clocks;
  #key: string | undefined;
  #ageThen = 0;
  #seenAt = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  /** `key` tells one key from another; `issuedAt` is RFC 3339. Without it, or from the future, a key is new at first sight. */
  of(key: string, issuedAt: string | undefined): number {
    const now = this.#clocks.steady();
    const issued = Date.parse(issuedAt ?? '');
    const backendNow = this.#clocks.backend();
    const told = backendNow === undefined ? undefined : backendNow - issued;
    if (key !== this.#key) {
      this.#key = key;
      this.#set(now, told ?? this.#clocks.host() - issued);
    } else if (told !== undefined && told >= 0) this.#set(now, told);
    return this.#ageThen + (now - this.#seenAt);
  }

  #set(now: number, ageMs: number): void {
    this.#seenAt = now;
    this.#ageThen = Number.isNaN(ageMs) ? 0 : Math.max(0, ageMs);
  }
}

/** At which age a key is replaced: the same for one key after each restart, and anywhere between 70 and 90 % for many. */
export function dueAge(agentId: string, key: string, maxKeyAgeMs: number): number {
  const hash = createHash('sha256').update(`${agentId}\n${key}`).digest();
  const random = hash.readUInt32BE() / 2 ** 32;
  return maxKeyAgeMs * (EARLIEST + (LATEST - EARLIEST) * random);
}
