import { inspect } from 'node:util';
import { remember } from './known-secrets.ts';

/**
 * A key that does not leak by accident: `toString`, `toJSON` and `inspect` show a mask, and only {@link reveal} gives
 * the value, at the moment a request needs it. While it is in use, `redact` knows it, whatever it looks like.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    remember(this, value);
  }

  /** The value itself. For the request that needs it, at that moment. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return maskKey(this.#value);
  }

  toJSON(): string {
    return maskKey(this.#value);
  }

  [inspect.custom](): string {
    return `Secret(${maskKey(this.#value)})`;
  }
}

/** What stands before the random part of a key: `sk_live_`. */
const PREFIX = /^[a-z]{2,4}[-_](?:[a-z]{4}[-_])?/;

/** The prefix of a key and three characters of its random part; a short value is hidden whole. */
export function maskKey(key: string): string {
  if (key.length < 24) return '***';
  return `${key.slice(0, (PREFIX.exec(key)?.[0].length ?? 0) + 3)}…`;
}
