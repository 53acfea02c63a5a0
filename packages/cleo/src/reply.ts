import { backoff, CleoError, type ConduitMessage, pause, type Transport } from '@cleocode/contracts';

/** The first pause between two looks, in milliseconds, and the longest: a backend counts the requests of a minute. */
const POLL_MS = 250;
const MAX_POLL_MS = 2_000;
const PAGE = 200;

/**
 * The answer to a message: the next one that says so (`replyTo`), acknowledged once it is here. `undefined` when none came
 * within `waitMs`. Other messages stay as they are. Where the transport pushes, it is seen at once. A fault that may pass is
 * waited out; one that is still there in the end rejects.
 */
export async function nextReply(
  transport: Transport,
  messageId: string,
  waitMs: number,
): Promise<ConduitMessage | undefined> {
  const over = AbortSignal.timeout(waitMs);
  let wake = new AbortController();
  const unsubscribe = transport.subscribe?.(() => wake.abort());
  let trouble: CleoError | undefined;
  try {
    for (let looks = 0; !over.aborted; looks++) {
      wake = new AbortController();
      try {
        const reply = await find(transport, messageId, over);
        if (reply) {
          await transport.ack([reply.id]);
          return reply;
        }
        trouble = undefined;
      } catch (error) {
        if (over.aborted) break;
        if (!CleoError.is(error) || !error.retryable) throw error;
        trouble = error;
      }
      const pauseMs = Math.max(backoff(looks, POLL_MS, MAX_POLL_MS), trouble?.retryAfterMs ?? 0);
      await pause(pauseMs, AbortSignal.any([over, wake.signal]));
    }
  } finally {
    unsubscribe?.();
  }
  if (trouble) throw trouble;
  return undefined;
}

/** Among everything unread: what waits from before may fill more than a page. */
async function find(
  transport: Transport,
  messageId: string,
  signal: AbortSignal,
): Promise<ConduitMessage | undefined> {
  let afterSeq: number | undefined;
  for (;;) {
    const page = await transport.poll({ limit: PAGE, afterSeq, signal });
    const reply = page.find((message) => message.replyTo === messageId);
    const last = page.at(-1)?.seq;
    if (reply || last === undefined || page.length < PAGE) return reply;
    afterSeq = last;
  }
}
