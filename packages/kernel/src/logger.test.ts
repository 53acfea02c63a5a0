import { MockTransport } from '@cleocode/contracts/testing';
import { expect, it, vi } from 'vitest';
import {
  createKernel,
  createLogger,
  definePlugin,
  type Logger,
  type LogLevel,
  type LogRecord,
} from './index.ts';

const LEVELS: LogLevel[] = ['debug', 'info', 'warn', 'error'];

it.each(LEVELS)('at level %s hands over that level and what is graver', (level) => {
  const records: LogRecord[] = [];
  const logger = createLogger(level, (record) => records.push(record));
  for (const one of LEVELS) logger[one](`a ${one}`);
  expect(records.map((record) => record.level)).toEqual(LEVELS.slice(LEVELS.indexOf(level)));
});

it('adds the fields of a child to each of its lines, the nearer ones winning', () => {
  const write = vi.fn();
  const logger = createLogger('debug', write).child({ agent: 'me', plugin: 'outer' });
  logger.child({ plugin: 'inner' }).info('hello', { attempt: 2 });
  logger.warn('plain');
  expect(write.mock.calls).toEqual([
    [{ level: 'info', message: 'hello', fields: { agent: 'me', plugin: 'inner', attempt: 2 } }],
    [{ level: 'warn', message: 'plain', fields: { agent: 'me', plugin: 'outer' } }],
  ]);
});

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

it('masks the secrets in messages and fields, and leaves the key of a message alone', () => {
  const write = vi.fn();
  const logger = createLogger('debug', write).child({ apiKey: 'hunter2' });
  logger.warn(`refused ${KEY}`, { key: 'message 1', headers: [`Bearer ${KEY}`] });
  expect(write).toHaveBeenCalledExactlyOnceWith({
    level: 'warn',
    message: 'refused sk_live_012…',
    fields: { apiKey: '***', key: 'message 1', headers: ['Bearer ***'] },
  });
});

it('masks them on their way to a logger that somebody else made', async () => {
  const lines: unknown[][] = [];
  const own: Logger = {
    debug: (...line) => lines.push(line),
    info: (...line) => lines.push(line),
    warn: (...line) => lines.push(line),
    error: (...line) => lines.push(line),
    child: () => own,
  };
  const chatty = definePlugin({
    name: 'chatty',
    version: '1.0.0',
    apiVersion: 1,
    setup: (ctx) => ctx.logger.child({ apiKey: KEY }).info(`mine is ${KEY}`, { it: KEY }),
  });
  const kernel = createKernel({
    agent: 'me',
    transport: new MockTransport(),
    logger: own,
    plugins: [chatty()],
  });
  await kernel.start();
  await kernel.stop();
  expect(lines).toContainEqual(['mine is sk_live_012…', { it: 'sk_live_012…' }]);
  expect(JSON.stringify(lines)).not.toContain('0123456789');
});
