import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Output } from '../output.ts';
import type { AgentEvent } from './events.ts';
import { reporter } from './reporter.ts';

// Hints name the command as it was called: here, by nobody's script.
beforeEach(() => vi.stubEnv('npm_lifecycle_event', undefined));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function told(events: AgentEvent[], { json = false, named = false, whole = false } = {}): string {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  const report = reporter(new Output({ json, verbose: false }), { named, whole: () => whole });
  for (const event of events) report(event);
  vi.restoreAllMocks();
  return text;
}

const message = {
  event: 'message',
  agentId: 'bob',
  id: 'm1',
  from: 'ada',
  content: 'hello',
  attempt: 1,
  timestamp: '2026-01-01T00:00:00Z',
} as const;

describe('reporter', () => {
  it('tells a person a life in short lines', () => {
    const text = told([
      { event: 'ready', agentId: 'bob', transport: 'local', pid: 7, plugins: [] },
      message,
      { event: 'failed', agentId: 'bob', id: 'm1', attempt: 1, error: 'exec: no', retryInMs: 1_234 },
      { ...message, attempt: 2 },
      { event: 'failed', agentId: 'bob', id: 'm1', attempt: 2, error: 'exec: no' },
      { event: 'dead', agentId: 'bob', id: 'm1', attempts: 2, error: 'exec: no' },
      { event: 'sent', agentId: 'bob', id: 'm2', to: 'ada', content: 'hi', messageId: 'm3' },
      { event: 'done', agentId: 'bob', id: 'm2', durationMs: 3 },
      { event: 'dropped', agentId: 'bob', id: 'm4', plugin: 'filter', reason: 'not for me' },
      {
        event: 'aside',
        agentId: 'bob',
        conversation: 'talk',
        cause: 'hops',
        reason: 'agents answered each other 9 times in a row, more than 8',
        hint: 'resume it',
      },
      { event: 'held', agentId: 'bob', id: 'm5', conversation: 'talk' },
      { event: 'resumed', agentId: 'bob', conversation: 'talk' },
      {
        event: 'problem',
        agentId: 'bob',
        code: 'storage_full',
        message: 'the disk is full',
        resolved: false,
      },
      { event: 'problem', agentId: 'bob', code: 'storage_full', message: 'the disk is full', resolved: true },
      {
        event: 'stopped',
        agentId: 'bob',
        reason: 'SIGTERM',
        drained: false,
        released: [{ messageId: 'm5', plugin: 'slow' }],
        forced: [{ plugin: 'slow', phase: 'stop', error: 'slow did not end' }],
        ok: false,
        leftOpen: ['TCPServerWrap', 'Timeout'],
      },
    ]);
    expect(text).toBe(`● bob is ready (local, process 7)
← ada: hello
✗ exec: no (attempt 1; again in 1.2 s)
← ada: hello (attempt 2)
✗ exec: no (attempt 2)
✗ message m1 is a dead letter after 2 attempts
  See it: cleo agent dead-letters bob show m1
→ ada: hi
  left alone by filter: not for me
! conversation talk is set aside: agents answered each other 9 times in a row, more than 8
  Let it go on: cleo agent set-aside bob resume talk
  a message of talk waits: that conversation is set aside
✓ conversation talk goes on
! storage_full: the disk is full
✓ storage_full is over
■ bob stopped (1 message will come again, not finished by slow)
✗ slow did not end cleanly: slow did not end
! some plugin left open: TCPServerWrap, Timeout. The process ends all the same; the tests of pluginContract tell whose it is.
`);
  });

  it('says which agent it is about when there are several', () => {
    expect(told([message], { named: true })).toBe('[bob] ← ada: hello\n');
  });

  it('cuts a long message short, unless showing it is all that is done with it', () => {
    const long = { ...message, content: 'x'.repeat(2_000) };
    expect(told([long])).toHaveLength('← ada: \n'.length + 501);
    expect(told([long], { whole: true })).toHaveLength('← ada: \n'.length + 2_000);
  });

  it('tells a program every event as it is', () => {
    const { event, agentId, ...rest } = message;
    expect(told([message], { json: true })).toBe(`${JSON.stringify({ event, agentId, ...rest })}\n`);
  });
});
