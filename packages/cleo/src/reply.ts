import { setTimeout as sleep } from 'node:timers/promises';
import type { ConduitMessage, Transport } from '@cleocode/contracts';

const POLL_MS = 500;
const PAGE = 200;

/**
 * The answer to a message: the next one that says so (`replyTo`), acknowledged once it is here. `undefined` when none came
 * within `waitMs`. Other messages stay as they are. Where the transport pushes, it is seen at once.
 */
export async function nextReply(
  transport: Transport,
  messageId: string,
  waitMs: number,
): Promise<ConduitMessage | undefined> {
  const over = AbortSignal.timeout(waitMs);
  let wake = new AbortController();
  const unsubscribe = transport.subscribe?.(() => wake.abort());
  try {
    while (!over.aborted) {
      wake = new AbortController();
      const reply = await find(transport, messageId, over);
      if (reply) {
        await transport.ack([reply.id]);
        return reply;
      }
      await sleep(POLL_MS, undefined, { signal: AbortSignal.any([over, wake.signal]) }).catch(() => {});
    }
    return undefined;
  } catch (error) {
    if (over.aborted) return undefined;
    throw error;
  } finally {
    unsubscribe?.();
  }
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
