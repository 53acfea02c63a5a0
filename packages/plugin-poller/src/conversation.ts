import type { ConduitMessage } from '@cleocode/contracts';

/** What a message is in order with. */
export function conversationOf({ threadId, groupId, from }: ConduitMessage): string {
  return threadId ?? groupId ?? from;
}
