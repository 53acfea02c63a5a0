import {
  CleoError,
  type ConduitMessage,
  type Inbox,
  MAX_CONTENT_BYTES,
  type Transport,
  withDeadline,
} from '@cleocode/contracts';
import { pollTimedOut } from './errors.ts';

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
    const page = await poll(transport, position, timeoutMs, signal);
    // Past a message that was turned away it is no longer true that everything before was taken.
    const { deferred } = inbox.receive(page, { ...SOURCE, ...(!turnedAway && { afterSeq: position }) });
    turnedAway ||= deferred.length > 0;
    if (turnedAway) pagesAhead += 1;
    if (page.length < PAGE && !endedEarly(page)) return { readAll: true, turnedAway };
    const last = Math.max(position, ...page.map((message) => message?.seq ?? 0));
    // Without a cursor that moves, the next page would be this one again.
    if (last === position) break;
    position = last;
  }
  return { readAll: false, turnedAway };
}

async function poll(
  transport: Pick<Transport, 'name' | 'poll'>,
  afterSeq: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ConduitMessage[]> {
  const own = new AbortController();
  try {
    const work = transport.poll({ limit: PAGE, signal: own.signal, ...(afterSeq > 0 && { afterSeq }) });
    const page: unknown = await withDeadline(
      work,
      timeoutMs,
      () => pollTimedOut(transport.name, timeoutMs),
      signal,
    );
    if (Array.isArray(page)) return page;
  } catch (error) {
    own.abort(error);
    throw error;
  }
  throw new CleoError('E_TRANSPORT_INVALID', `${transport.name}: poll did not answer a list of messages`, {
    hint: 'The transport is at fault: an error must reject, and no messages is [].',
  });
}

/** A backend may end a page before its limit once it holds as much content as one message may have. */
function endedEarly(page: readonly (ConduitMessage | null)[]): boolean {
  const length = page.reduce((sum, message) => sum + (message?.content?.length ?? 0), 0);
  return length >= MAX_CONTENT_BYTES;
}
