import { createHmac } from 'node:crypto';
import { messageKey, type Secret } from '@cleocode/contracts';
import type { Delivery } from '@cleocode/kernel';

export interface WebhookRequest {
  headers: Record<string, string>;
  body: string;
}

/**
 * A delivery as the `message.received` event of SignalDock. With a secret it is signed: HMAC-SHA256 of the body followed by the
 * timestamp of the header, as hex. `Idempotency-Key` is the same in every attempt.
 */
export function webhookRequest(
  { message, attempt }: Pick<Delivery, 'message' | 'attempt'>,
  agentId: string,
  secret?: Secret,
  now: Date = new Date(),
): WebhookRequest {
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const body = JSON.stringify({
    event: 'message.received',
    timestamp: now.toISOString(),
    data: {
      messageId: message.id,
      conversationId: message.threadId,
      from: { agentId: message.from },
      content: message.content,
      contentType: typeof message.contentType === 'string' ? message.contentType : 'text',
      createdAt: message.timestamp,
      attachments: message.attachments,
    },
  });
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'SignalDock-Webhook/1.0',
      'x-signaldock-agent-id': headerValue(agentId),
      'x-signaldock-delivery-id': `delivery:${headerValue(message.id)}`,
      'x-signaldock-attempt': String(attempt),
      'x-signaldock-timestamp': timestamp,
      // Several agents may post to one URL, and a group message has the same key for each of them.
      'idempotency-key': `${headerValue(agentId)}:${headerValue(messageKey(message))}`,
      ...(secret && { 'x-signaldock-signature': signature(secret, body, timestamp) }),
    },
  };
}

/** Headers whose value is ours to say, or the client's. */
export const RESERVED_HEADER =
  /^(x-signaldock-.*|idempotency-key|content-(type|length|encoding)|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|proxy-.*)$/i;

function signature(secret: Secret, body: string, timestamp: string): string {
  return `sha256=${createHmac('sha256', secret.reveal()).update(body).update(timestamp).digest('hex')}`;
}

/** An id as it is, where it can stand in a header; else encoded as in a URL. */
function headerValue(id: string): string {
  return /^[\x21-\x7e]+$/.test(id) ? id : encodeURIComponent(id.toWellFormed());
}
