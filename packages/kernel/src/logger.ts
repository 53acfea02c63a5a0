export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where the kernel and its plugins write. `fields` are facts for programs; never put a key in them. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger that adds `fields` to each line. */
  child(fields: Record<string, unknown>): Logger;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export interface LogRecord {
  level: LogLevel;
  message: string;
  /** `inboxEvent` says that observers of the inbox are told the same as an event of that type. */
  fields: Record<string, unknown>;
}

/** A logger that hands each record of `level` and above to `write`. */
export function createLogger(level: LogLevel, write: (record: LogRecord) => void): Logger {
  const make = (bound: Record<string, unknown>): Logger => {
    const at = (own: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
      if (LEVELS.indexOf(own) >= LEVELS.indexOf(level))
        write({ level: own, message, fields: { ...bound, ...fields } });
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
