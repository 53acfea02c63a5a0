import { expect, it, vi } from 'vitest';
import { createLogger, type LogLevel, type LogRecord } from './index.ts';

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
