import { maskKey } from '@cleocode/contracts';

/**
 * The same value for showing: plain data only, with everything that looks like a secret masked. That is a string under a
 * name such as `apiKey`, `token` or `password`, and inside any string a key, a bearer token, the user of a URL, and what is
 * assigned to such a name (`?token=…`, `API_KEY=…`).
 */
export function maskSecrets(value: unknown): unknown {
  return mask(value, false, 0);
}

const SECRET_NAME = /key$|secret|token|passw|passphrase|credential|authorization|cookie/i;
const MAX_DEPTH = 8;

function mask(value: unknown, secret: boolean, depth: number): unknown {
  if (typeof value === 'string') return secret ? maskKey(value) : maskInside(value);
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`;
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return value.map((item) => mask(item, secret, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
    return mask((value as { toJSON(): unknown }).toJSON(), secret, depth + 1);
  if (!isPlain(value)) return `[${value.constructor?.name ?? 'object'}]`;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      mask(item, secret || SECRET_NAME.test(name), depth + 1),
    ]),
  );
}

function maskInside(text: string): string {
  return (
    text
      .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, '$1 ***')
      // Not one that is masked already.
      .replace(/\b(?:sk|pk|rk)[-_][\w-]{8,}(?![\w…-])/g, maskKey)
      .replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi, '$1***@')
      .replace(/([\w-]*(?:key|token|secret|passw(?:or)?d|signature)=)[^&\s"']+/gi, '$1***')
  );
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}
