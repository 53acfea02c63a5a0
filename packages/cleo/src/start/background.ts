import { appendFileSync, linkSync, rmSync, statSync } from 'node:fs';
import type { LogLevel } from '@cleocode/kernel';
import type { EndingOutput, Stoppable } from '../ending.ts';
import type { Failure } from '../failure.ts';
import { AgentLog, type Said } from '../log/agent-log.ts';
import { lastWordsFile } from '../log/files.ts';
import { DETACHED } from './detached-mark.ts';
import type { AgentEvent } from './events.ts';

const MOST_EARLY = 1_000;

/** What the process tells the command that started it, until it is ready. */
export type Word =
  | { note: string }
  | { failure: Failure }
  | { ready: AgentEvent & { event: 'ready' }; log: string; onlyLogged: boolean }
  | { started: true };

/** The environment of the new process: this one's, and the mark. */
export function backgroundEnv(lastWords: string): NodeJS.ProcessEnv {
  return { ...process.env, [DETACHED]: lastWords };
}

/** This process as the one of `--detach`; `undefined` when it is not. What it starts itself is not marked. */
export function takeBackground(): Background | undefined {
  const lastWords = process.env[DETACHED];
  delete process.env[DETACHED];
  return lastWords && process.send ? new Background(lastWords) : undefined;
}

/** Speaks for a process that nobody sees: to the command that started it, until it is ready, and in the logs of its agents. */
export class Background implements EndingOutput {
  readonly detached = true;
  /** Never called: there is none. */
  onReaderGone = (): void => {};
  readonly #lastWords: string;
  readonly #logs = new Map<string, AgentLog>();
  readonly #flush: (() => void)[] = [];
  /** What was said before there was a log. */
  readonly #early: Said[] = [];
  #starting = true;
  /** It has a log. */
  #logged = false;

  constructor(lastWords: string) {
    this.#lastWords = lastWords;
    process.once('disconnect', () => {
      // The command that waits for it was ended, and nobody will know of this process.
      if (this.#starting) process.kill(process.pid, 'SIGTERM');
    });
    process.once('exit', (code) => this.#tidyUp(code));
    this.#takeStreams();
  }

  /** The log of one agent; what belongs to the process stands in each that is open. */
  logOf(stateDir: string, agentId: string, level: LogLevel): AgentLog {
    const log = new AgentLog(stateDir, agentId, level);
    this.#logs.set(lastWordsFile(stateDir, agentId), log);
    log.onOpen = () => {
      this.#logged = true;
      link(this.#lastWords, lastWordsFile(stateDir, agentId));
    };
    for (const said of this.#early) log.say(said);
    return log;
  }

  ready(event: AgentEvent, log: AgentLog, onlyLogged: boolean): void {
    if (event.event === 'ready') this.#tell({ ready: event, log: log.path, onlyLogged });
  }

  /** From here on nobody waits for it. */
  started(): void {
    this.#starting = false;
    const word: Word = { started: true };
    process.send?.(word, () => {
      if (process.connected) process.disconnect?.();
    });
    rmSync(this.#lastWords, { force: true });
  }

  /** That of an agent stands in its own log. */
  failure(failure: Failure, agent?: Stoppable): void {
    this.#tell({ failure });
    const { code, message, hint, stack } = failure;
    if (agent) return;
    // Of an error that nobody foresaw, the hint is how to see the stack.
    this.#say('error', message, { code, ...(hint && code !== 'E_UNEXPECTED' && { hint }), stack });
  }

  note(text: string): void {
    this.#tell({ note: text });
    this.#say('info', text);
  }

  #tell(word: Word): void {
    // Whoever waited may be gone by now.
    if (this.#starting && process.connected) process.send?.(word, () => {});
  }

  #say(level: LogLevel, message: string, facts?: Omit<Said, 'time' | 'level' | 'message'>): void {
    const said: Said = { time: new Date().toISOString(), level, message, ...facts };
    for (const log of this.#logs.values()) log.say(said);
    if (!this.#logged && this.#early.length < MOST_EARLY) this.#early.push(said);
  }

  /** What plugins print and Node warns of stands in the logs. */
  #takeStreams(): void {
    this.#flush.push(
      takeLines(process.stdout, (line) => this.#say('info', line)),
      takeLines(process.stderr, (line) => this.#say('warn', line)),
    );
    process.removeAllListeners('warning');
    process.on('warning', (warning) => this.#say('warn', `Node: ${warning}`));
  }

  #tidyUp(code: number): void {
    for (const flush of this.#flush) flush();
    for (const log of this.#logs.values()) log.exited(code);
    // It ended before there was a log: whoever started it may have no other word of it.
    if (!this.#logged) for (const { message } of this.#early) appendFileSync(this.#lastWords, `${message}\n`);
    // Nobody is left to read it.
    if (!process.connected) rmSync(this.#lastWords, { force: true });
    for (const file of this.#logs.keys()) {
      const empty = statSync(file, { throwIfNoEntry: false })?.size === 0;
      if (empty) rmSync(file, { force: true });
    }
  }
}

function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // A file system without links: what the process may write past its log is lost with it.
  }
}

/** Takes what is written to a stream, line by line. Returns what takes a line that has not ended. */
function takeLines(stream: NodeJS.WriteStream, take: (line: string) => void): () => void {
  let rest = '';
  stream.write = ((chunk: string | Uint8Array, encoding?: unknown, done?: () => void): boolean => {
    const callback = typeof encoding === 'function' ? (encoding as () => void) : done;
    const lines = (rest + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line !== '') take(line);
    if (callback) process.nextTick(callback);
    return true;
  }) as typeof stream.write;
  return () => {
    if (rest !== '') take(rest);
    rest = '';
  };
}
