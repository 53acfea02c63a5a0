import { describe, expect, it } from 'vitest';
import {
  ackSchema,
  directMessageSchema,
  heartbeatSchema,
  historyQuerySchema,
  listAgentsQuerySchema,
  pollQuerySchema,
  rotateKeySchema,
  scanQuerySchema,
  searchQuerySchema,
} from './wire-requests.ts';

/** What a query string gives. */
const query = (text: string) => Object.fromEntries(new URLSearchParams(text));

describe('a query', () => {
  it('has its numbers read from text', () => {
    expect(pollQuerySchema.parse(query('after_seq=12&limit=500&since=abc&mentioned=bob'))).toEqual({
      after_seq: 12,
      limit: 500,
      since: 'abc',
      mentioned: 'bob',
    });
    expect(listAgentsQuerySchema.parse(query('page=0&limit=1&sort=last_seen'))).toEqual({
      page: 0,
      limit: 1,
      sort: 'last_seen',
    });
  });

  it('has its truth read from text', () => {
    expect(historyQuerySchema.parse(query('compact=true&sort=desc'))).toEqual({
      compact: true,
      sort: 'desc',
    });
    expect(historyQuerySchema.parse(query('compact=false'))).toEqual({ compact: false });
    expect(historyQuerySchema.safeParse(query('compact=perhaps')).success).toBe(false);
  });

  it('may hold what nobody knows', () => {
    expect(pollQuerySchema.parse(query('other=1'))).toEqual({});
  });

  it.each([
    [pollQuerySchema, 'limit=0'],
    [pollQuerySchema, 'limit=1.5'],
    [pollQuerySchema, 'after_seq=-1'],
    [pollQuerySchema, 'after_seq=1e400'],
    [pollQuerySchema, 'mentioned=@bob'],
    [listAgentsQuerySchema, 'sort=name'],
    [listAgentsQuerySchema, 'page=-1'],
    [scanQuerySchema, 'after_seq=1'],
    [searchQuerySchema, 'q='],
    [searchQuerySchema, `q=${'x'.repeat(257)}`],
  ])('is refused: %#', (schema, text) => {
    expect(schema.safeParse(query(text)).success).toBe(false);
  });
});

describe('a body', () => {
  it('may be absent where nothing in it is needed', () => {
    expect(heartbeatSchema.parse(undefined)).toBeUndefined();
    expect(rotateKeySchema.parse(undefined)).toBeUndefined();
    expect(heartbeatSchema.parse({ instanceId: 'a' })).toEqual({ instanceId: 'a' });
  });

  it('names the recipient beside the message', () => {
    expect(directMessageSchema.parse({ toAgentId: 'bob', content: 'x', other: 1 })).toEqual({
      toAgentId: 'bob',
      content: 'x',
      contentType: 'text',
    });
    expect(directMessageSchema.safeParse({ content: 'x' }).success).toBe(false);
  });

  it('names at most 10,000 messages to ack', () => {
    const ids = (length: number) => ({ messageIds: Array.from({ length }, () => 'x') });
    expect(ackSchema.safeParse(ids(10_000)).success).toBe(true);
    expect(ackSchema.safeParse(ids(10_001)).success).toBe(false);
  });

  it('lets an old key live a day at most', () => {
    expect(rotateKeySchema.safeParse({ overlapSeconds: 86_400 }).success).toBe(true);
    expect(rotateKeySchema.safeParse({ overlapSeconds: 86_401 }).success).toBe(false);
    expect(rotateKeySchema.safeParse({ overlapSeconds: -1 }).success).toBe(false);
  });
});
