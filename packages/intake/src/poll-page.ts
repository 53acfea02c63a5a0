import {
  type CallBounds,
  CleoError,
  type ConduitMessage,
  callTransport,
  MAX_CONTENT_BYTES,
  type Transport,
} from '@cleocode/contracts';

/** Which page of the unread messages is asked for. */
export interface PageRequest {
  /** Only what comes after this `seq`; 0 for all. */
  afterSeq: number;
  /** At most so many messages. */
  limit: number;
}

/**
 * One page of what is unread. Rejects with the transport's error, with `E_TRANSPORT_TIMEOUT`, with `E_TRANSPORT_INVALID` for
 * something that is no list, or with the reason of `bounds.signal`. What the list holds is not looked at: the inbox does that.
 */
export async function pollPage(
  transport: Pick<Transport, 'name' | 'poll'>,
  { afterSeq, limit }: PageRequest,
  bounds: CallBounds,
): Promise<ConduitMessage[]> {
  const page: unknown = await callTransport(transport, 'poll', bounds, (signal) =>
    transport.poll({ limit, signal, ...(afterSeq > 0 && { afterSeq }) }),
  );
  if (Array.isArray(page)) return page;
  throw new CleoError('E_TRANSPORT_INVALID', `${transport.name}: poll did not answer a list of messages`, {
    hint: 'The transport is at fault: an error must reject, and no messages is [].',
  });
}

/**
 * Whether nothing was unread beyond `page`, which was asked for with `limit`. A backend may end a page before that once it holds
 * as much content as one message may have.
 */
export function isLastPage(page: readonly (ConduitMessage | null)[], limit: number): boolean {
  const length = page.reduce((sum, message) => sum + (message?.content?.length ?? 0), 0);
  return page.length < limit && length < MAX_CONTENT_BYTES;
}
