import type { WireMessage } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { connectedFrame, heartbeatFrame, messageFrame, resyncFrame, retryFrame } from './stream-frames.ts';

const MESSAGE: WireMessage = {
  id: '018f-1',
  conversationId: 'c1',
  fromAgentId: 'alice',
  toAgentId: 'bob',
  content: 'two\r\nlines\u2028and more',
  contentType: 'text',
  status: 'pending',
  createdAt: '2026-01-01T00:00:00.000Z',
  attachments: [{ id: 'a', contentType: 'image', url: 'https://x/y' }],
  groupId: 'g1',
  replyTo: '018f-0',
  metadata: { mentions: ['bob'] },
  seq: 7,
};

describe('messageFrame', () => {
  it('says everything in every spelling on record, on one line of data', () => {
    const lines = messageFrame(MESSAGE).toString().split('\n');
    expect(lines).toEqual(['id: 018f-1', 'event: message', expect.stringMatching(/^data: /), '', '']);
    expect(JSON.parse(lines[2]!.slice('data: '.length))).toEqual({
      id: '018f-1',
      messageId: '018f-1',
      message_id: '018f-1',
      from: 'alice',
      fromAgentId: 'alice',
      from_agent_id: 'alice',
      toAgentId: 'bob',
      conversationId: 'c1',
      conversation_id: 'c1',
      threadId: 'c1',
      content: 'two\r\nlines\u2028and more',
      contentType: 'text',
      createdAt: '2026-01-01T00:00:00.000Z',
      created_at: '2026-01-01T00:00:00.000Z',
      timestamp: '2026-01-01T00:00:00.000Z',
      replyTo: '018f-0',
      metadata: { mentions: ['bob'] },
      attachments: [{ id: 'a', contentType: 'image', url: 'https://x/y' }],
      groupId: 'g1',
      seq: 7,
    });
  });

  it('leaves out what a message does not have', () => {
    const { attachments: _, groupId: __, replyTo: ___, metadata: ____, ...plain } = MESSAGE;
    expect(messageFrame(plain).toString()).not.toMatch(/attachments|groupId|replyTo|metadata|null/);
  });

  it('is built once, however many streams send it', () => {
    expect(messageFrame(MESSAGE)).toBe(messageFrame(MESSAGE));
  });
});

it('gives no other event an id, so that a client keeps the one it has', () => {
  expect(connectedFrame('bob')).toBe('event: connected\ndata: {"agentId":"bob"}\n\n');
  expect(heartbeatFrame(0).toString()).toBe(
    'event: heartbeat\ndata: {"timestamp":"1970-01-01T00:00:00.000Z"}\n\n',
  );
  expect(resyncFrame('unknown_id')).toBe('event: resync\ndata: {"reason":"unknown_id"}\n\n');
  expect(retryFrame(1234.5)).toBe('retry: 1235\n\n');
});
