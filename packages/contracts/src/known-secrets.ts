/** A secret that is in use, and how often. */
interface Known {
  holders: number;
  /** As it may stand in a text: plain, in a URL, and as base64. */
  spellings: readonly string[];
}

/** Anything shorter may well stand in a text by chance. */
const MIN_LENGTH = 12;

const known = new Map<string, Known>();
const gone = new FinalizationRegistry<string>(forget);

/** `value` is a secret for as long as `holder` is there. That is not kept alive by it. */
export function remember(holder: object, value: string): void {
  if (value.length < MIN_LENGTH) return;
  const one = known.get(value);
  if (one) one.holders += 1;
  else known.set(value, { holders: 1, spellings: spellingsOf(value) });
  gone.register(holder, value);
}

/** Each secret that is in use, once, with its spellings. */
export function* knownSecrets(): Generator<[value: string, spellings: readonly string[]]> {
  for (const [value, { spellings }] of known) yield [value, spellings];
}

function forget(value: string): void {
  const one = known.get(value);
  if (!one) return;
  one.holders -= 1;
  if (one.holders === 0) known.delete(value);
}

function spellingsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  // Without its end, which depends on what follows it in a longer text.
  const base64 = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64');
  return [...new Set([value, encodeURIComponent(value.toWellFormed()), base64])];
}
