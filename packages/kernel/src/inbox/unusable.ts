import { type ConduitMessage, errorText } from '@cleocode/contracts';

/** What an unusable message is buried with. */
export const UNUSABLE = 'not a message: it lacks an id, a sender or text content';

/**
 * What is left of something that is no message: enough to keep it as a dead letter and to ack it, so that it does not come
 * back for ever. `undefined` when it has no id to ack.
 */
export function remainsOf(bad: unknown): ConduitMessage | undefined {
  const { id, from, content, timestamp, threadId, groupId, seq } = (bad ?? {}) as Record<string, unknown>;
  if (!isText(id)) return undefined;
  return {
    id,
    from: isText(from) ? from : 'unknown',
    content: typeof content === 'string' ? content : errorText(bad),
    timestamp: isText(timestamp) ? timestamp : '',
    ...(isText(threadId) && { threadId }),
    ...(isText(groupId) && { groupId }),
    ...(typeof seq === 'number' && Number.isSafeInteger(seq) && { seq }),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
