import type { LogLevel } from '@cleocode/kernel';
import type { Output } from '../output.ts';
import type { AgentEvent } from '../start/events.ts';
import { describer } from '../start/reporter.ts';
import { printable } from '../terminal-text.ts';
import type { LogEntry } from './entry.ts';

/** A line of a log; what is no entry, such as what a crash cut short, is shown as it is. */
export function parseEntry(line: string): LogEntry {
  try {
    const entry = JSON.parse(line) as LogEntry;
    if (typeof entry.time === 'string' && typeof entry.level === 'string') return entry;
  } catch {
    // Not ours.
  }
  return { time: '', level: 'error', message: line };
}

/** Entries as a person reads them, with the time of their clock. */
export function entryDescriber(output: Output): (entry: LogEntry) => string {
  const describeEvent = describer(output, { named: false, whole: () => true });
  const faint = (text: string) => output.style('dim', text);
  const what = (entry: LogEntry): string => {
    switch (entry.event) {
      case undefined: {
        const { time: _, level: __, event: ___, plugin, message, hint, stack, ...facts } = entry;
        const who = typeof plugin === 'string' ? `${plugin}: ` : '';
        const line = [printable(`${who}${message}`), faint(factsOf(facts))].filter(Boolean).join(' ');
        const more = [
          ...(typeof hint === 'string' ? [`→ ${hint}`] : []),
          ...(typeof stack === 'string' ? [stack] : []),
        ];
        return [line, ...more.map((text) => faint(printable(text)))].join('\n');
      }
      case 'starting': {
        const { version, node, pid, cwd, ended, lastWords } = entry;
        return [
          `${faint('○')} cleo ${version} starts ${faint(`(process ${pid}, Node ${node}, in ${printable(cwd)})`)}`,
          ...(ended
            ? [
                `the run before, last heard of ${clock(ended)}, ended without a word: it was killed, or the machine went down`,
              ]
            : []),
          ...(lastWords ? [`what it wrote last:\n${printable(lastWords)}`] : []),
        ].join('\n');
      }
      case 'not-started': {
        const { code, message, hint } = entry;
        return `it could not be started: ${code}: ${printable(message)}${hint ? `\n→ ${printable(hint)}` : ''}`;
      }
      case 'exited':
        return `its process ended with exit code ${entry.code} while it ran`;
      case 'done':
        return `${output.style('green', '✓')} done in ${entry.durationMs} ms ${faint(entry.id)}`;
      case 'realtime':
        return entry.problem ? '' : `stream ${entry.state}`;
      case 'stopped':
        return `${describeEvent(entry)}${faint(`, ${reason(entry.reason)}`)}`;
      default: {
        const text = describeEvent(entry as AgentEvent);
        return text !== '' && 'id' in entry && !text.includes(entry.id) ? `${text} ${faint(entry.id)}` : text;
      }
    }
  };
  return (entry) => {
    const text = what(entry);
    if (text === '') return '';
    const level = entry.level.padEnd(5);
    const style = STYLES[entry.level];
    const begin = `${faint(clock(entry.time))} ${style ? output.style(style, level) : level}`;
    return `${begin} ${text.replaceAll('\n', '\n  ')}`;
  };
}

const STYLES: Partial<Record<LogLevel, 'red' | 'yellow'>> = { error: 'red', warn: 'yellow' };

function reason(told: string): string {
  if (told === 'requested') return 'asked by cleo agent stop';
  return told.startsWith('SIG') ? `on ${told}` : told;
}

function factsOf(facts: Record<string, unknown>): string {
  return Object.entries(facts)
    .map(([name, fact]) => printable(`${name}=${typeof fact === 'string' ? fact : JSON.stringify(fact)}`))
    .join(' ');
}

/** A time as it was on this machine's clock: `2026-01-31 09:05:03.120`. */
function clock(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return '-'.padEnd(23);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  return local.slice(0, -1).replace('T', ' ');
}
