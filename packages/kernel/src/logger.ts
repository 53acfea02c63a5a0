/** How much a line of the log matters, the least first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

import { maskSecrets, redact } from '@cleocode/contracts';

/** Where the kernel and its plugins write. `fields` are facts for programs. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger that adds `fields` to each line. */
  child(fields: Record<string, unknown>): Logger;
}

/** Names of fields whose value is a secret. Not `key`: messages have keys too. */
const SECRET_FIELD = /api[-_]?key|secret|token|passw|authorization|cookie/i;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** One line of the log, before it is written: {@link createLogger} hands it to what writes it. */
export interface LogRecord {
  level: LogLevel;
  message: string;
  /** `inboxEvent` says that observers of the inbox are told the same as an event of that type. */
  fields: Record<string, unknown>;
}

/** A logger that hands each record of `level` and above to `write`, the secrets in it masked. */
export function createLogger(level: LogLevel, write: (record: LogRecord) => void): Logger {
  const make = (bound: Record<string, unknown>): Logger => {
    const at = (own: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
      if (LEVELS.indexOf(own) >= LEVELS.indexOf(level))
        write({ level: own, message: redact(message), fields: masked({ ...bound, ...fields }) });
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

/** The same logger, which masks the secrets in what it is given. For one that somebody else made. */
export function redacting(logger: Logger): Logger {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) =>
    logger[level](redact(message), fields && masked(fields));
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => redacting(logger.child(masked(fields))),
  };
}

function masked(fields: Record<string, unknown>): Record<string, unknown> {
  return maskSecrets(fields, SECRET_FIELD) as Record<string, unknown>;
}
