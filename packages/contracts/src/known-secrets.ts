interface Holder {
  reveal(): string;
}

/** So many are kept before those that were collected are looked for. */
const SWEEP_AT = 1_000;
/** Anything shorter may well stand in a text by chance. */
const MIN_LENGTH = 12;

/** Who holds a secret in this process now. They are not kept alive by being known. */
let holders: WeakRef<Holder>[] = [];
let sweepAt = SWEEP_AT;

export function remember(holder: Holder): void {
  if (holders.length >= sweepAt) {
    holders = holders.filter((ref) => ref.deref() !== undefined);
    sweepAt = Math.max(SWEEP_AT, holders.length * 2);
  }
  holders.push(new WeakRef(holder));
}

/** Every secret that is in use and long enough to be looked for in a text. */
export function* knownSecrets(): Generator<string> {
  for (const ref of holders) {
    const value = ref.deref()?.reveal();
    if (value !== undefined && value.length >= MIN_LENGTH) yield value;
  }
}
