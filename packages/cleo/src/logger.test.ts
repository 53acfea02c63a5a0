import type { Logger } from '@cleocode/kernel';
import { afterEach, expect, it, vi } from 'vitest';
import { stderrLogger } from './logger.ts';
import { Output } from './output.ts';

afterEach(() => vi.restoreAllMocks());

function logged(json: boolean, log: (logger: Logger) => void): string {
  let text = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  log(stderrLogger('info', new Output({ json, verbose: false })));
  return text;
}

it('is one line for a person, whatever stands in it', () => {
  const text = logged(false, (logger) => {
    logger.debug('too much');
    logger
      .child({ plugin: 'poller' })
      .warn('no answer\u001b[2J', { part: 'direct', error: 'line one\nline two' });
  });
  expect(text).toBe('warn  poller: no answer part=direct error=line one line two\n');
});

it('leaves out for a person what was told as an event, and keeps it for a program', () => {
  const log = (logger: Logger) =>
    logger.warn('a message handler failed', { inboxEvent: 'failed', attempt: 1 });
  expect(logged(false, log)).toBe('');
  expect(JSON.parse(logged(true, log))).toEqual({
    time: expect.stringMatching(/Z$/),
    level: 'warn',
    message: 'a message handler failed',
    inboxEvent: 'failed',
    attempt: 1,
  });
});
