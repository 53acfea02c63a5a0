import { inspect } from 'node:util';
import { createLogger, type Logger } from './logger.ts';

/** The default logger of a kernel nobody gave one: warnings and errors, one line each, on stderr. */
export function warningsToConsole(): Logger {
  return createLogger('warn', ({ level, message, fields }) => {
    // Fields are anyone's: `inspect` takes what JSON refuses, such as a circular object.
    const facts = inspect(fields, { depth: 4, breakLength: Number.POSITIVE_INFINITY });
    process.stderr.write(`cleo ${level}: ${message} ${facts}\n`);
  });
}
