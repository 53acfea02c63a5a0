import { readFileSync, rmSync } from 'node:fs';
import { CleoError, redact } from '@cleocode/contracts';
import { createLogger, type Logger, type LogLevel } from '@cleocode/kernel';
import { LOG_LEVELS } from '../cli.ts';
import type { Failure } from '../failure.ts';
import type { AgentEvent } from '../start/events.ts';
import { ownVersion } from '../version.ts';
import { entryOf, type LogEntry } from './entry.ts';
import { lastWordsFile, logFile } from './files.ts';
import { endOfLastRun } from './last-run.ts';
import { LogFile, type LogFileOptions } from './log-file.ts';

/** What is said before the log may be opened. */
const MOST_EARLY = 1_000;
const MOST_LAST_WORDS = 4_000;

/** What the process says, whichever agent it is about. */
export interface Said {
  time: string;
  level: LogLevel;
  message: string;
  code?: string;
  hint?: string;
  stack?: string;
}

/** The log of one agent that runs in the background. It tells the story to somebody who was not there, as JSON lines. */
export class AgentLog {
  readonly path: string;
  /** What the agent's plugins say. */
  readonly logger: Logger;
  readonly #stateDir: string;
  readonly #agentId: string;
  readonly #level: LogLevel;
  readonly #options: LogFileOptions | undefined;
  /** Called when it is opened. */
  onOpen: (() => void) | undefined;
  #file: LogFile | undefined;
  #early: string[] | undefined = [];
  #lost = 0;

  constructor(stateDir: string, agentId: string, level: LogLevel, options?: LogFileOptions) {
    this.#options = options;
    this.path = logFile(stateDir, agentId);
    this.#stateDir = stateDir;
    this.#agentId = agentId;
    this.#level = level;
    this.logger = createLogger(level, ({ level, message, fields }) => {
      // It is written as the event itself.
      if (fields.inboxEvent) return;
      this.#write({ time: new Date().toISOString(), level, message, ...fields });
    });
  }

  /** Begins to write. Only the process that holds the agent's lock may: two cannot rotate one file. Throws `E_LOG_UNWRITABLE`. */
  open(): void {
    this.#file = new LogFile(this.path, this.#options);
    const ended = endOfLastRun(this.path);
    const lastWords = takeLastWords(lastWordsFile(this.#stateDir, this.#agentId));
    this.#write(
      {
        // Before what was said so far.
        time: new Date(performance.timeOrigin).toISOString(),
        level: 'info',
        event: 'starting',
        version: ownVersion(),
        node: process.version,
        pid: process.pid,
        cwd: process.cwd(),
        ...(ended && { ended }),
        ...(lastWords && { lastWords }),
      },
      { always: true },
    );
    for (const line of this.#early ?? []) this.#append(line);
    this.#early = undefined;
    this.onOpen?.();
  }

  /** From here on another process may write it. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#early = undefined;
  }

  event(event: AgentEvent, options: { whole: boolean }): void {
    this.#write(entryOf(event, options), { always: event.event === 'ready' || event.event === 'stopped' });
  }

  /** Something that belongs to the process. */
  say({ message, ...said }: Said): void {
    this.#write({ ...said, message: redact(message) });
  }

  notStarted({ code, message, hint }: Failure): void {
    this.#write({
      time: new Date().toISOString(),
      level: 'error',
      event: 'not-started',
      code,
      message,
      ...(hint && { hint }),
    });
  }

  /** The process ends while the agent runs: something in it, or a second signal, wants it so. */
  exited(code: number): void {
    if (this.#file)
      this.#write(
        { time: new Date().toISOString(), level: 'error', event: 'exited', code },
        { always: true },
      );
  }

  /** A message that is only shown is done when this resolves: its line is with the system. */
  async flushed(): Promise<void> {
    if (this.#lost === 0) return;
    throw new CleoError('E_LOG_UNWRITABLE', `the log ${this.path} cannot be written`, {
      hint: 'See that its disk has room: the message is tried again.',
      details: { path: this.path },
    });
  }

  #write(entry: LogEntry, { always = false } = {}): void {
    if (!always && LOG_LEVELS.indexOf(entry.level) < LOG_LEVELS.indexOf(this.#level)) return;
    const line = JSON.stringify(entry);
    if (this.#file) this.#append(line);
    else if (this.#early && this.#early.length < MOST_EARLY) this.#early.push(line);
  }

  /** A log that cannot be written is no reason for an agent to end: what is missing is counted, and told once it works again. */
  #append(line: string): void {
    if (this.#lost > 0) {
      const missing = this.#lost === 1 ? '1 line is' : `${this.#lost} lines are`;
      const message = `${missing} missing here: the disk did not take more`;
      const gap: LogEntry = { time: new Date().toISOString(), level: 'error', message };
      if (!this.#file!.append(JSON.stringify(gap))) {
        this.#lost++;
        return;
      }
    }
    this.#lost = this.#file!.append(line) ? 0 : this.#lost + 1;
  }
}

/** What the process before wrote past its log, and nobody has read yet. */
function takeLastWords(file: string): string | undefined {
  try {
    const words = readFileSync(file, 'utf8').trim();
    rmSync(file);
    return redact(words).slice(-MOST_LAST_WORDS) || undefined;
  } catch {
    return undefined;
  }
}
