const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** Milliseconds as a person reads them, with two units at most: `1.5 s`, `3 min 20 s`, `2 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  let left = Math.floor(ms / 1_000);
  const parts: string[] = [];
  for (const [unit, size] of [...UNITS, ['s', 1] as const]) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (parts.length > 0 || count > 0) parts.push(count > 0 ? `${count} ${unit}` : '');
  }
  return parts.slice(0, 2).filter(Boolean).join(' ');
}
