import { maskSecrets } from '@cleocode/contracts';
import type { LogLevel } from '@cleocode/kernel';
import type { AgentEvent } from '../start/events.ts';

/** One line of a log. */
export type LogEntry = { time: string; level: LogLevel } & (
  | {
      event: 'starting';
      version: string;
      node: string;
      pid: number;
      cwd: string;
      ended?: string;
      lastWords?: string;
    }
  | { event: 'not-started'; code: string; message: string; hint?: string }
  /** The process ended with this exit code while the agent ran. */
  | { event: 'exited'; code: number }
  | AgentEvent
  /** Of a plugin, or of the process itself. */
  | { event?: undefined; message: string; plugin?: string; [fact: string]: unknown }
);

/** As much of somebody else's text as tells what it was about. */
const EXCERPT = 500;
const NO_NAMES = /(?!)/;

/** An event as a line of the log: its texts cut short unless they are wanted whole, and without secrets. */
export function entryOf(event: AgentEvent, { whole }: { whole: boolean }): LogEntry {
  const told = whole && event.event === 'message' ? event : shortened(event);
  return {
    time: new Date().toISOString(),
    level: levelOf(event),
    ...(maskSecrets(told, NO_NAMES) as AgentEvent),
  };
}

function shortened(event: AgentEvent): AgentEvent {
  const facts = Object.entries(event).map(([name, fact]) => [
    name,
    typeof fact === 'string' ? excerpt(fact) : fact,
  ]);
  return Object.fromEntries(facts) as AgentEvent;
}

function excerpt(text: string): string {
  return text.length > EXCERPT ? `${text.slice(0, EXCERPT).trimEnd()}…` : text;
}

function levelOf(event: AgentEvent): LogLevel {
  switch (event.event) {
    case 'failed':
    case 'aside':
      return 'warn';
    case 'dead':
      return 'error';
    case 'problem':
      return event.resolved ? 'info' : 'error';
    case 'realtime':
      return event.problem ? 'warn' : 'info';
    case 'auth':
      return event.state === 'failed' ? 'error' : 'info';
    case 'stopped':
      return event.ok ? 'info' : 'error';
    default:
      return 'info';
  }
}
