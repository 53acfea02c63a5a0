import { knownSecrets } from './known-secrets.ts';
import { maskKey } from './secret.ts';

/**
 * The same text for a log, an error or a screen, with everything masked in it that is a secret in use, also encoded for a URL
 * or as base64, or that looks like one: a key, a bearer token, the user of a URL, and what is assigned to a name such as
 * `token` (`?token=…`, `API_KEY=…`).
 */
export function redact(text: string): string {
  let shown = text;
  for (const [secret, spellings] of knownSecrets())
    for (const spelling of spellings)
      if (shown.includes(spelling)) shown = without(shown, spelling, maskKey(secret));
  return withoutLookalikes(shown);
}

const SECRET_NAME = /key$|secret|token|passw|passphrase|credential|authorization|cookie/i;
const MAX_DEPTH = 8;

/**
 * The same value for showing: plain data only, with everything that looks like a secret masked. That is a string under a
 * name such as `apiKey`, `token` or `password` (`names` says which), and inside any string what {@link redact} masks.
 */
export function maskSecrets(value: unknown, names: RegExp = SECRET_NAME): unknown {
  /** The objects that the one at hand is in. */
  const around = new Set<object>();
  const mask = (one: unknown, secret: boolean): unknown => {
    if (typeof one === 'string') return secret ? maskKey(one) : redact(one);
    if (typeof one === 'function') return `[function ${one.name || 'anonymous'}]`;
    if (typeof one === 'bigint' || typeof one === 'symbol') return String(one);
    if (typeof one !== 'object' || one === null) return one;
    if (one instanceof Error) return redact(`${one.name}: ${one.message}`);
    if (around.has(one)) return '[circular]';
    if (around.size === MAX_DEPTH) return '[…]';
    around.add(one);
    try {
      return inside(one, secret);
    } finally {
      around.delete(one);
    }
  };
  const inside = (object: object, secret: boolean): unknown => {
    if (Array.isArray(object)) return object.map((item) => mask(item, secret));
    if (ArrayBuffer.isView(object)) return `[${object.byteLength} bytes]`;
    if ('toJSON' in object && typeof object.toJSON === 'function') return mask(object.toJSON(), secret);
    if (!isPlain(object)) return `[${object.constructor?.name ?? 'object'}]`;
    return Object.fromEntries(
      Object.entries(object).map(([name, item]) => [name, mask(item, secret || names.test(name))]),
    );
  };
  return mask(value, false);
}

const REST_OF_KEY = /[\w-]*/y;

/** A longer key may begin with a secret: what follows goes with it. */
function without(text: string, secret: string, mask: string): string {
  let shown = '';
  let end = 0;
  for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, end)) {
    shown += text.slice(end, at) + mask;
    REST_OF_KEY.lastIndex = at + secret.length;
    REST_OF_KEY.test(text);
    end = REST_OF_KEY.lastIndex;
  }
  return shown + text.slice(end);
}

function withoutLookalikes(text: string): string {
  return (
    text
      // Not the words "basic" and "bearer" of a sentence.
      .replace(/\b(bearer|basic)\s+(?:(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}|[\w.~+/=-]{20,})…?/gi, '$1 ***')
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
