import { inspect } from 'node:util';

/**
 * A key that does not leak by accident: `toString`, `toJSON` and `inspect` show a mask, and only {@link reveal} gives
 * the value, at the moment a request needs it.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

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

/** The prefix of a key and at most three characters of its random part; a short value is hidden whole. */
export function maskKey(key: string): string {
  return key.length >= 24 ? `${key.slice(0, 11)}…` : '***';
}
