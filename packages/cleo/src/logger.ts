import { createLogger, type Logger, type LogLevel, type LogRecord } from '@cleocode/kernel';
import type { Output } from './output.ts';
import { printable } from './terminal-text.ts';

/** Writes the log to stderr: lines for a person, or JSON lines with the time for a program. */
export function stderrLogger(level: LogLevel, { json }: Output): Logger {
  return createLogger(level, (record) => {
    // A person has been shown the event itself.
    if (!json && record.fields.inboxEvent) return;
    process.stderr.write(`${json ? JSON.stringify(asObject(record)) : asText(record)}\n`);
  });
}

function asObject({ level, message, fields }: LogRecord): object {
  return { time: new Date().toISOString(), level, message, ...fields };
}

function asText({ level, message, fields: { plugin, ...fields } }: LogRecord): string {
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const who = typeof plugin === 'string' ? `${plugin}: ` : '';
  return printable([`${level.padEnd(5)} ${who}${message}`, ...facts].join(' ')).replaceAll('\n', ' ');
}
