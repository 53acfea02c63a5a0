import { describe, expect, it } from 'vitest';
import { conversationOf, isMessage, MAX_CONTENT_BYTES, messageKey, messageSchema } from './message.ts';

const message = { id: 'm1', from: 'alice', content: 'hi', timestamp: '2026-01-01T00:00:00Z' };

describe('messageSchema', () => {
  it('takes the members every transport has', () => {
    expect(messageSchema.parse(message)).toEqual(message);
  });

  it('keeps members it does not know', () => {
    expect(messageSchema.parse({ ...message, replyTo: 'm0' })).toHaveProperty('replyTo', 'm0');
  });

  it('takes empty content', () => {
    expect(messageSchema.safeParse({ ...message, content: '' }).success).toBe(true);
  });

  it.each([
    { id: '' },
    { id: undefined },
    { from: '' },
    { content: null },
    { timestamp: 1 },
    { seq: -1 },
    { seq: 1.5 },
    { tags: 'a' },
    { metadata: [] },
  ])('refuses %o', (wrong) => {
    expect(messageSchema.safeParse({ ...message, ...wrong }).success).toBe(false);
  });
});

describe('messageKey', () => {
  it('is the group id where there is one: its copies are one message', () => {
    expect(messageKey({ id: 'copy-1', groupId: 'g' })).toBe(messageKey({ id: 'copy-2', groupId: 'g' }));
  });

  it('is the id otherwise', () => {
    expect(messageKey({ id: 'm1' })).toBe('m1');
  });
});

describe('conversationOf', () => {
  it('is the thread, else the group message, else the sender', () => {
    const whole = { threadId: 't', groupId: 'g', from: 'alice' };
    expect(conversationOf(whole)).toBe('t');
    expect(conversationOf({ groupId: 'g', from: 'alice' })).toBe('g');
    expect(conversationOf({ from: 'alice' })).toBe('alice');
  });
});

describe('isMessage', () => {
  it('takes what has an id, a sender and text, be it empty', () => {
    expect(isMessage(message)).toBe(true);
    expect(isMessage({ id: 'm1', from: 'alice', content: '' })).toBe(true);
  });

  it.each([
    null,
    undefined,
    'text',
    {},
    { ...message, id: '' },
    { ...message, id: 7 },
    { ...message, from: '' },
    { ...message, from: undefined },
    { ...message, content: null },
  ])('refuses %o', (value) => {
    expect(isMessage(value)).toBe(false);
  });
});

describe('MAX_CONTENT_BYTES', () => {
  it('is one mebibyte', () => {
    expect(MAX_CONTENT_BYTES).toBe(1_048_576);
  });
});
