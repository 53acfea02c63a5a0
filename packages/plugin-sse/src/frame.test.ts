import { describe, expect, it } from 'vitest';
import { readFrame } from './frame.ts';

const read = (data: unknown, id?: string, type = 'message') =>
  readFrame({ type, data: typeof data === 'string' ? data : JSON.stringify(data), id, resumeId: id ?? '' });

const MESSAGE = {
  id: 'm1',
  from: 'alice',
  threadId: 'c1',
  content: 'hi',
  contentType: 'text',
  timestamp: 'then',
  seq: 7,
};

describe('a frame that is a message', () => {
  it.each([
    [
      'our server',
      {
        id: 'm1',
        messageId: 'm1',
        message_id: 'm1',
        from: 'alice',
        fromAgentId: 'alice',
        from_agent_id: 'alice',
        toAgentId: 'bob',
        conversationId: 'c1',
        conversation_id: 'c1',
        threadId: 'c1',
        content: 'hi',
        contentType: 'text',
        createdAt: 'then',
        created_at: 'then',
        timestamp: 'then',
        seq: 7,
      },
    ],
    [
      'the server crate',
      {
        messageId: 'm1',
        conversationId: 'c1',
        from: 'alice',
        content: 'hi',
        contentType: 'text',
        createdAt: 'then',
        seq: 7,
      },
    ],
    [
      'T216',
      {
        message_id: 'm1',
        conversation_id: 'c1',
        from_agent_id: 'alice',
        content: 'hi',
        content_type: 'text',
        created_at: 'then',
        seq: 7,
      },
    ],
    [
      'the Rust client',
      {
        id: 'm1',
        conversationId: 'c1',
        fromAgentId: 'alice',
        content: 'hi',
        contentType: 'text',
        createdAt: 'then',
        seq: 7,
      },
    ],
    [
      'the TS client',
      {
        id: 'm1',
        threadId: 'c1',
        from: 'alice',
        content: 'hi',
        contentType: 'text',
        timestamp: 'then',
        seq: 7,
      },
    ],
  ])('has the shape of %s', (_, data) => {
    expect(read(data)).toEqual({ kind: 'message', message: MESSAGE });
  });

  it('takes its id from the event when the data has none, and believes the data first', () => {
    const { id: _, ...nameless } = { ...MESSAGE, conversationId: 'c1' };
    expect(read(nameless, 'm1')).toEqual({ kind: 'message', message: MESSAGE });
    expect(read({ ...nameless, messageId: 'm1' }, 'other')).toEqual({ kind: 'message', message: MESSAGE });
  });

  it('keeps what it brings besides, and takes null for nothing', () => {
    const more = {
      groupId: 'g',
      replyTo: 'm0',
      metadata: { tags: ['#x'] },
      attachments: null,
      fromAgentName: 'Al',
    };
    expect(read({ ...MESSAGE, ...more })).toEqual({
      kind: 'message',
      message: {
        ...MESSAGE,
        groupId: 'g',
        replyTo: 'm0',
        metadata: { tags: ['#x'] },
        tags: ['#x'],
        fromAgentName: 'Al',
      },
    });
  });
});

describe('a frame that is not handed over', () => {
  it.each([
    ['has no id', { ...MESSAGE, id: undefined }, 'id'],
    ['has an id that is none', { ...MESSAGE, id: 7 }, 'id'],
    ['has no sender', { ...MESSAGE, from: undefined }, 'fromAgentId'],
    ['has no content', { ...MESSAGE, content: undefined }, 'content'],
    ['has content that is no text', { ...MESSAGE, content: { text: 'hi' } }, 'content'],
    ['has no conversation', { ...MESSAGE, threadId: undefined }, 'conversationId'],
    ['has a seq that is none', { ...MESSAGE, seq: 1.5 }, 'seq'],
    ['is no JSON', '{"id":"m1"', 'JSON'],
    ['is JSON and no object', '["m1"]', 'JSON'],
    ['is JSON and nothing', 'null', 'JSON'],
    ['is empty', '', 'JSON'],
  ])('because it %s, is fetched', (_, data, fault) => {
    expect(read(data)).toEqual({ kind: 'fetch', fault: expect.stringContaining(fault) });
  });

  it('because it is asked for, or may be one of several copies, is fetched without a fault', () => {
    expect(read({ reason: 'replay_limit' }, undefined, 'resync')).toEqual({ kind: 'fetch' });
    expect(read({ ...MESSAGE, seq: undefined })).toEqual({ kind: 'fetch' });
  });

  it.each(['heartbeat', 'ping', 'connected'])('because it is a %s in disguise, is a sign of life', (type) => {
    expect(read({ type, timestamp: 'now' })).toEqual({ kind: 'alive' });
  });
});
