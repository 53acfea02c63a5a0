import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogLevel } from '@cleocode/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentEvent } from '../start/events.ts';
import { AgentLog } from './agent-log.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cleo-log-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const entries = () =>
  readFileSync(join(dir, 'logs/bob.log'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const said = (message: string, level: LogLevel = 'info') => ({
  time: '2026-01-31T09:05:03.120Z',
  level,
  message,
});
const stopped: AgentEvent = {
  event: 'stopped',
  agentId: 'bob',
  reason: 'requested',
  drained: true,
  released: [],
  forced: [],
  ok: true,
};

describe('AgentLog', () => {
  it('writes nothing before it is opened, then what was said so far, and nothing once it is closed', () => {
    const log = new AgentLog(dir, 'bob', 'info');
    log.say(said('early'));
    expect(entries).toThrow('ENOENT');
    log.open();
    log.close();
    log.say(said('late'));
    expect(entries()).toMatchObject([{ event: 'starting' }, { message: 'early' }]);
  });

  it('keeps to its level, but for where a run begins and ends', () => {
    const log = new AgentLog(dir, 'bob', 'warn');
    log.open();
    log.logger.info('too much');
    log.logger.warn('careful', { apiKey: 'sk_live_0123456789abcdef0123' });
    log.event({ event: 'done', agentId: 'bob', id: 'm1', durationMs: 3 }, { whole: false });
    log.event(stopped, { whole: false });
    expect(entries()).toMatchObject([
      { event: 'starting' },
      { level: 'warn', message: 'careful', apiKey: 'sk_live_012…' },
      { event: 'stopped' },
    ]);
  });

  it('does not write twice what is told as an event', () => {
    const log = new AgentLog(dir, 'bob', 'info');
    log.open();
    log.logger.warn('a message handler failed', { inboxEvent: 'failed' });
    expect(entries()).toHaveLength(1);
  });

  it('says how many lines a full disk did not take, and lets no message that is only shown pass as done meanwhile', async () => {
    let full = false;
    const write = ((...args: Parameters<typeof writeSync>) => {
      if (full) throw new Error('ENOSPC');
      return writeSync(...args);
    }) as typeof writeSync;
    const log = new AgentLog(dir, 'bob', 'info', { write });
    log.open();
    await log.flushed();
    full = true;
    log.say(said('one'));
    log.say(said('two'));
    await expect(log.flushed()).rejects.toMatchObject({ code: 'E_LOG_UNWRITABLE' });
    full = false;
    log.say(said('three'));
    await log.flushed();
    expect(entries().slice(1)).toMatchObject([
      { level: 'error', message: '2 lines are missing here: the disk did not take more' },
      { message: 'three' },
    ]);
  });

  it.for([
    ['was killed', [], { ended: '2026-01-31T09:05:03.120Z' }],
    ['was stopped', [stopped], {}],
    ['ended itself', [{ event: 'exited', code: 7 }], {}],
  ] as const)('says of a run before that it %s, or nothing', ([, end, expected]) => {
    mkdirSync(join(dir, 'logs'));
    const before = [{ event: 'starting' }, ...end, { message: 'the last line' }].map((one) => ({
      ...said(''),
      ...one,
    }));
    writeFileSync(join(dir, 'logs/bob.log'), before.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    new AgentLog(dir, 'bob', 'info').open();
    const { ended } = entries().at(-1);
    expect({ ...(ended && { ended }) }).toEqual(expected);
  });

  it('takes in what the process before wrote past its log', () => {
    mkdirSync(join(dir, 'logs'));
    writeFileSync(join(dir, 'logs/bob.stderr'), '\nFATAL ERROR: out of memory\n');
    new AgentLog(dir, 'bob', 'info').open();
    expect(entries()).toMatchObject([{ lastWords: 'FATAL ERROR: out of memory' }]);
  });
});
