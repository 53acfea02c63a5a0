import { readFileSync } from 'node:fs';

/** One figure of a benchmark, with what it is compared to. */
export interface Figure {
  what: string;
  value: number;
  unit: string;
  /** The bound the project holds itself to. */
  target?: string;
  met?: boolean;
  note?: string;
}

/** The value below which `share` of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** A benchmark module run as a program hands its figures to `run.ts`. */
export function report(figures: Figure[]): void {
  if (process.send) process.send(figures);
  else console.table(figures);
}

/** Bytes of resident memory. */
export function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}
