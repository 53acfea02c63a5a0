import type { ConduitMessage } from './message.ts';

/** Nothing counts further: what is sent on stays a number that every reader takes. */
const MOST = 1_000_000;

/**
 * How many agents in a row answered with no person in between until this message came about: `metadata.cleo.hops`. 0 where it
 * says none, or anything but a whole number from 0 upwards; the metadata is anyone's.
 */
export function hopsOf({ metadata }: Pick<ConduitMessage, 'metadata'>): number {
  const cleo = metadata?.cleo as { hops?: unknown } | null | undefined;
  const hops = typeof cleo === 'object' ? cleo?.hops : undefined;
  return Number.isSafeInteger(hops) && (hops as number) > 0 ? Math.min(hops as number, MOST) : 0;
}

/** The metadata of a message that is sent while one with so many hops is handled. */
export function nextHop(hops: number): { cleo: { hops: number } } {
  return { cleo: { hops: Math.min(hops + 1, MOST) } };
}
