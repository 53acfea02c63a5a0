import type { Inbox, Transport } from '@cleocode/contracts';
import { isLastPage, pollPage } from '@cleocode/intake';

export interface CatchUpOptions {
  transport: Pick<Transport, 'name' | 'poll'>;
  inbox: Pick<Inbox, 'receive' | 'room'>;
  /** A poll's deadline in milliseconds. */
  timeoutMs: number;
}

export interface CaughtUp {
  /** Everything unread was read, to the end: what comes later is newer. */
  readAll: boolean;
  /** The inbox took not all of it. What it turned away it also holds back, until somebody brings it in order. */
  turnedAway: boolean;
}

/** What the messages of a stream are called, whether it brought them or they were fetched on its behalf. */
export const SOURCE = { name: 'sse', ackable: true } as const;

const PAGE = 200;
/** Pages read beyond a message the inbox turned away. */
const LOOK_AHEAD_PAGES = 10;

/**
 * Hands everything unread after `from` to the inbox, page by page. Rejects with the transport's error, or with the reason of
 * `signal`.
 */
export async function catchUp(
  { transport, inbox, timeoutMs }: CatchUpOptions,
  from: number,
  signal: AbortSignal,
): Promise<CaughtUp> {
  let position = from;
  let turnedAway = false;
  for (let pagesAhead = 0; inbox.room > 0 && pagesAhead <= LOOK_AHEAD_PAGES; ) {
    const page = await pollPage(transport, { afterSeq: position, limit: PAGE }, { timeoutMs, signal });
    // Past a message that was turned away it is no longer true that everything before was taken.
    const { deferred } = inbox.receive(page, { ...SOURCE, ...(!turnedAway && { afterSeq: position }) });
    turnedAway ||= deferred.length > 0;
    if (turnedAway) pagesAhead += 1;
    if (isLastPage(page, PAGE)) return { readAll: true, turnedAway };
    const last = Math.max(position, ...page.map((message) => message?.seq ?? 0));
    // Without a cursor that moves, the next page would be this one again.
    if (last === position) break;
    position = last;
  }
  return { readAll: false, turnedAway };
}
