import { type ConduitMessage, MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { isLastPage, pollPage } from './poll-page.ts';

let transport: MockTransport;
const bounds = { timeoutMs: 1_000 };

beforeEach(async () => {
  transport = new MockTransport();
  await transport.connect({ agentId: 'bob', apiKey: '', apiBaseUrl: 'local:' });
});

describe('a page', () => {
  it('is what is unread after a position, or from the beginning', async () => {
    const sent = [1, 2, 3].map(() => transport.deliver());
    const poll = vi.spyOn(transport, 'poll');
    expect(await pollPage(transport, { afterSeq: 0, limit: 2 }, bounds)).toEqual(sent.slice(0, 2));
    expect(await pollPage(transport, { afterSeq: 2, limit: 2 }, bounds)).toEqual(sent.slice(2));
    expect(poll.mock.calls[0]).toEqual([{ limit: 2, signal: expect.any(AbortSignal) }]);
  });

  it('names a transport that answers no list', async () => {
    transport.poll = async () => null as never;
    await expect(pollPage(transport, { afterSeq: 0, limit: 2 }, bounds)).rejects.toMatchObject({
      code: 'E_TRANSPORT_INVALID',
      message: 'mock: poll did not answer a list of messages',
    });
  });

  it('is not waited for beyond its deadline', async () => {
    transport.poll = () => new Promise(() => {});
    await expect(pollPage(transport, { afterSeq: 0, limit: 2 }, { timeoutMs: 5 })).rejects.toMatchObject({
      code: 'E_TRANSPORT_TIMEOUT',
      message: 'mock: poll did not answer within 5 ms',
    });
  });
});

describe('the last page', () => {
  const messages = (count: number, content = 'x') =>
    Array.from({ length: count }, (_, n) => ({ id: `${n}`, from: 'a', content, timestamp: '' }));

  it('is one that is shorter than it could be', () => {
    expect([isLastPage(messages(2), 2), isLastPage(messages(1), 2), isLastPage([], 2)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('is not one that its size may have ended early', () => {
    const large = 'x'.repeat(MAX_CONTENT_BYTES / 2);
    expect([isLastPage(messages(2, large), 50), isLastPage(messages(1, large), 50)]).toEqual([false, true]);
  });

  it('may hold what is no message', () => {
    expect(isLastPage([null, {} as ConduitMessage], 50)).toBe(true);
  });
});
