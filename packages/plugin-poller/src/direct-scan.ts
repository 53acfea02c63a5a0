import { setTimeout as sleep } from 'node:timers/promises';
import { type ConduitMessage, conversationOf, type Inbox, type Transport } from '@cleocode/contracts';
import { isLastPage, pollPage } from '@cleocode/intake';

export interface ScanResult {
  /** Everything unread was read, to the end. */
  readAll: boolean;
  /** Conversations that the inbox took not all of. */
  turnedAway: ReadonlySet<string>;
  /** The backend has no cursor and showed as much as was asked: more may wait until that is acked. */
  windowFull: boolean;
}

export interface DirectScanOptions {
  transport: Transport;
  inbox: Inbox;
  /** A poll's deadline in milliseconds. */
  timeoutMs: number;
}

const MAX_PAGE = 200;
/** Pages read beyond a message the inbox turned away, so that one stuck conversation does not starve the others. */
const LOOK_AHEAD_PAGES = 10;
/** How often to read from the beginning, whatever the cursor says. */
const RESCAN_MS = 5 * 60_000;
/** A page smaller than this is not worth a request while handlers are making room for more. */
const WORTHWHILE = 50;
const ROOM_PATIENCE_MS = 1_000;
const ROOM_LOOK_MS = 20;

/**
 * Reads the messages addressed to the agent, page after page, past what is in flight. The cursor lives in memory only:
 * the backend keeps everything un-acked, so reading again from the beginning is always right, merely slower.
 */
export class DirectScan {
  readonly #options: DirectScanOptions;
  /** Everything up to here was taken by the inbox; 0 is the beginning. */
  #cursor = 0;
  #cursorless = false;
  #rescanAt = 0;

  constructor(options: DirectScanOptions) {
    this.#options = options;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** The next scan reads from the beginning. */
  reset(): void {
    this.#rescanAt = 0;
  }

  /** One pass to the end of what is unread. Rejects with the transport's error, or with the signal's reason. */
  async scan(signal: AbortSignal): Promise<ScanResult> {
    if (performance.now() >= this.#rescanAt) {
      this.#cursor = 0;
      this.#rescanAt = performance.now() + RESCAN_MS;
    }
    const { transport, inbox, timeoutMs } = this.#options;
    let position = this.#cursor;
    const turnedAway = new Set<string>();
    let pagesAhead = 0;
    for (;;) {
      const limit = await this.#pageSize(signal);
      const page = await pollPage(transport, { afterSeq: position, limit }, { timeoutMs, signal });
      const seqs = page.map(seqOf).filter((seq) => seq !== undefined);
      this.#cursorless = page.length > 0 && seqs.length === 0;
      const ahead = turnedAway.size > 0;
      const { deferred } = inbox.receive(page, {
        name: 'poll',
        ackable: true,
        ...(!ahead && { afterSeq: position }),
      });
      const last = Math.max(position, ...seqs);
      if (!ahead) this.#cursor = deferred.length > 0 ? before(deferred, position) : last;
      for (const message of deferred) if (message) turnedAway.add(conversationOf(message));

      if (isLastPage(page, limit)) return { readAll: true, turnedAway, windowFull: false };
      // Without a cursor that moves, the next page would be this one again.
      if (last === position) return { readAll: false, turnedAway, windowFull: true };
      if (turnedAway.size > 0 && (++pagesAhead > LOOK_AHEAD_PAGES || inbox.room === 0))
        return { readAll: false, turnedAway, windowFull: false };
      position = last;
    }
  }

  /** How much to ask for; waits while the inbox has no room, and a little longer for room worth a request. */
  async #pageSize(signal: AbortSignal): Promise<number> {
    const { inbox } = this.#options;
    while (inbox.room === 0) await inbox.waitForRoom(signal);
    const patience = performance.now() + ROOM_PATIENCE_MS;
    while (inbox.room < WORTHWHILE && inFlight(inbox) > 0 && performance.now() < patience)
      await sleep(ROOM_LOOK_MS, undefined, { signal });
    // Without a cursor the backend shows what is in flight again, before anything new.
    const shownAgain = this.#cursorless ? inFlight(inbox) + inbox.stats().unacked : 0;
    return Math.min(MAX_PAGE, Math.max(1, inbox.room) + shownAgain);
  }
}

function inFlight(inbox: Inbox): number {
  const { inFlight, queued } = inbox.stats();
  return inFlight + queued;
}

/** The position just before the first of `messages`. */
function before(messages: readonly ConduitMessage[], fallback: number): number {
  const seqs = messages.map(seqOf).filter((seq) => seq !== undefined);
  return seqs.length > 0 ? Math.max(0, Math.min(...seqs) - 1) : fallback;
}

/** A transport may be anyone's: the inbox refuses what is no message, the scan must only get past it. */
function seqOf(message: ConduitMessage | null | undefined): number | undefined {
  const seq = message?.seq;
  return typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : undefined;
}
