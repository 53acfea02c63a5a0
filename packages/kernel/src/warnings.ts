import { createLogger, type Logger } from './logger.ts';

/** The default logger of a kernel nobody gave one: warnings and errors, one line each, on stderr. */
export function warningsToConsole(): Logger {
  return createLogger('warn', ({ level, message, fields }) => {
    process.stderr.write(`cleo ${level}: ${message} ${JSON.stringify(fields)}\n`);
  });
}
