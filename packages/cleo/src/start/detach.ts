import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CleoError, redact } from '@cleocode/contracts';
import { resolveStateDir } from '@cleocode/kernel/define';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import type { Failure } from '../failure.ts';
import { logFolder } from '../log/files.ts';
import { unwritable } from '../log/log-file.ts';
import { selfCommand } from '../self-command.ts';
import { backgroundEnv, type Word } from './background.ts';

/** All its agents start at the same time; each step of a plugin has a limit below this. */
const READY_MS = 60_000;
const STOP_MS = 5_000;
const MOST_LAST_WORDS = 2_000;
const BIN = fileURLToPath(new URL('../bin.js', import.meta.url));

type Ready = Extract<Word, { ready: unknown }>;

/** Starts this command line again as a process of its own, in a session of its own, and waits until its agents are ready. */
export async function detach(cli: Cli): Promise<void> {
  const { output } = cli;
  const stateDir = resolveStateDir();
  const lastWords = new LastWords(stateDir);
  const ready: Ready[] = [];
  const failures: Failure[] = [];
  const child = spawn(process.execPath, [...execArgv(), BIN, ...cli.argv], {
    cwd: cli.startedIn ?? process.cwd(),
    env: backgroundEnv(lastWords.file),
    stdio: ['ignore', lastWords.fd, lastWords.fd, 'ipc'],
    detached: true,
    windowsHide: true,
  });
  const outcome = await settled(child, (word) => {
    if ('note' in word) output.note(word.note);
    if ('failure' in word) failures.push(word.failure);
    if ('ready' in word) ready.push(word);
  });
  const words = lastWords.close({ keep: outcome === 'started' });
  for (const failure of failures) output.failure(failure);
  if (outcome === 'started') {
    child.unref();
    tellReady(cli, ready);
    if (failures.length > 0) cli.exitCode = EXIT.failed;
  } else if (failures.length > 0) cli.exitCode = failures[0]!.exitCode;
  else throw notStarted(outcome, words);
}

/** How the start went: `started`, or how the process ended instead. It is gone then. */
function settled(child: ChildProcess, onWord: (word: Word) => void): Promise<'started' | string> {
  return new Promise((resolve) => {
    let late = false;
    const deadline = setTimeout(async () => {
      late = true;
      child.kill('SIGTERM');
      await once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS) }).catch(() => child.kill('SIGKILL'));
    }, READY_MS);
    const settle = (outcome: string): void => {
      clearTimeout(deadline);
      resolve(outcome);
    };
    child.on('message', (word: Word) => {
      if ('started' in word) settle('started');
      else onWord(word);
    });
    child.once('error', (error) => settle(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
      // What it said last may still be on its way.
      setImmediate(() =>
        settle(
          late ? `was not ready after ${READY_MS / 1_000} s and was ended` : `${how} before it was ready`,
        ),
      );
    });
  });
}

/** What the new process writes past its logs goes to a file: a pipe would end with this process. */
class LastWords {
  readonly file: string;
  readonly fd: number;
  /** The first folder that had to be made. */
  readonly #made: string | undefined;
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = logFolder(stateDir);
    this.file = join(this.#folder, `start-${randomUUID()}.stderr`);
    try {
      this.#made = mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.fd = openSync(this.file, 'ax', 0o600);
    } catch (cause) {
      throw unwritable(this.#folder, cause);
    }
  }

  /** Answers what was written. Unless a process goes on with it, leaves nothing behind. */
  close({ keep }: { keep: boolean }): string {
    closeSync(this.fd);
    if (keep) return '';
    let words = '';
    try {
      words = redact(readFileSync(this.file, 'utf8')).trim();
    } catch {
      // The process removed it in the end.
    }
    rmSync(this.file, { force: true });
    if (this.#made) {
      removeIfEmpty(this.#folder);
      if (this.#made !== this.#folder) removeIfEmpty(this.#made);
    }
    return words;
  }
}

function notStarted(outcome: string, lastWords: string): CleoError {
  const words = lastWords === '' ? '' : `\n${lastWords.slice(-MOST_LAST_WORDS)}`;
  return new CleoError('E_DETACH_FAILED', `the background process ${outcome}${words}`, {
    hint: `Look into its log: ${selfCommand()} agent logs. Or start it without --detach to see what happens.`,
  });
}

function tellReady({ output }: Cli, ready: readonly Ready[]): void {
  const self = selfCommand();
  const faint = (text: string) => output.style('dim', text);
  for (const { ready: event, log, onlyLogged } of ready) {
    const { agentId, transport, pid } = event;
    output.result(
      { ...event, log },
      [
        `${output.style('green', '●')} ${agentId} runs in the background ${faint(`(${transport}, process ${pid})`)}`,
        ...(onlyLogged ? ['  Nothing handles its messages: they are only written to its log.'] : []),
        `  Its log    ${self} agent logs ${agentId} -f  ${faint(`(${log})`)}`,
        `  How it is  ${self} agent status ${agentId}`,
        `  Stop it    ${self} agent stop ${agentId}`,
      ].join('\n'),
    );
  }
}

/** A debugger listens for one process. */
function execArgv(): string[] {
  return process.execArgv.filter((option) => !option.startsWith('--inspect'));
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody has put something there meanwhile.
  }
}
