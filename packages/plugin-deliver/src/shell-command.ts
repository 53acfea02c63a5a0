import { type ChildProcess, spawn } from 'node:child_process';
import { CleoError, errorText, MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { Head, Tail } from './output.ts';
import { ProcessGroup } from './process-group.ts';

/** A command, and how long it may take. */
export interface ShellCommandOptions {
  /** Given to the system's shell. */
  command: string;
  /** Milliseconds a run may take. */
  timeoutMs: number;
  /** Milliseconds between SIGTERM and SIGKILL. */
  graceMs: number;
  cwd?: string | undefined;
}

/** What one run of a command is given. */
export interface RunInput {
  stdin: string;
  /** The whole environment of the child. */
  env: NodeJS.ProcessEnv;
  /** Ends the run: SIGTERM, then SIGKILL after the grace. */
  signal: AbortSignal;
  /** Keep stdout; otherwise it goes nowhere. */
  captureStdout: boolean;
}

/** How a run ended, and what it wrote. */
export interface RunResult {
  /** `null` when a signal ended the command. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** Why it was made to end, if it was. */
  endedBy: 'timeout' | 'abort' | undefined;
  /** At most 1 MiB. */
  stdout: string;
  stdoutTruncated: boolean;
  /** The last lines of stderr. */
  stderr: string;
}

const STDERR_BYTES = 4_096;
const STDERR_LINES = 10;
/** For what is still in the pipes when every process is gone. */
const PIPES_MS = 500;

/**
 * Runs a shell command, once per call, in a process group of its own. When a run is over, nothing of it is left: what it
 * left behind in the background is ended too.
 */
export class ShellCommand {
  readonly #options: ShellCommandOptions;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<RunResult>>();

  constructor(options: ShellCommandOptions) {
    this.#options = options;
  }

  /** Resolves however the command ends; rejects with `E_EXEC_SPAWN` when it cannot be begun. */
  run(input: RunInput): Promise<RunResult> {
    const run = this.#run({ ...input, signal: AbortSignal.any([input.signal, this.#closing.signal]) });
    const running = run.finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  /** Ends every run, and resolves when none is left. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the command handler is closing'));
    await Promise.allSettled(this.#running);
  }

  async #run({ stdin, env, signal, captureStdout }: RunInput): Promise<RunResult> {
    const { timeoutMs, graceMs } = this.#options;
    signal.throwIfAborted();
    const child = this.#spawn(env, captureStdout);
    const stdout = child.stdout && new Head(child.stdout, MAX_CONTENT_BYTES);
    const stderr = new Tail(child.stderr!, STDERR_BYTES);
    const exited = exitOf(child);
    const closed = new Promise((resolve) => child.on('close', resolve));
    if (child.pid === undefined) throw cannotBegin(await exited.catch((error) => error));

    const group = new ProcessGroup(child.pid, graceMs);
    let endedBy: RunResult['endedBy'];
    const end = (why: NonNullable<RunResult['endedBy']>) => {
      endedBy ??= why;
      void group.end();
    };
    const abort = () => end('abort');
    const timer = setTimeout(() => end('timeout'), timeoutMs);
    signal.addEventListener('abort', abort);
    feed(child, stdin);

    const how = await exited;
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    await group.end();
    await atMost(PIPES_MS, closed);
    // A process that has left the group may hold the pipes for ever.
    child.stdout?.destroy();
    child.stderr!.destroy();
    return {
      ...how,
      endedBy,
      stdout: stdout?.text ?? '',
      stdoutTruncated: stdout?.truncated ?? false,
      stderr: stderr.lines(STDERR_LINES),
    };
  }

  #spawn(env: NodeJS.ProcessEnv, captureStdout: boolean): ChildProcess {
    const { command, cwd } = this.#options;
    try {
      return spawn(command, {
        shell: true,
        detached: process.platform !== 'win32',
        stdio: ['pipe', captureStdout ? 'pipe' : 'ignore', 'pipe'],
        windowsHide: true,
        env,
        cwd,
      });
    } catch (error) {
      throw cannotBegin(error);
    }
  }
}

type Exit = Pick<RunResult, 'exitCode' | 'signal'>;

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

function feed(child: ChildProcess, input: string): void {
  // A command need not read its input: a pipe closed at the other end is no failure. What else goes wrong shows in how
  // the command ends.
  child.stdin!.on('error', () => {});
  child.stdin!.end(input);
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

function cannotBegin(error: unknown): CleoError {
  return new CleoError('E_EXEC_SPAWN', `exec: the command could not be begun: ${errorText(error)}`, {
    hint: 'Check that the working directory exists and that the system has room for another process.',
    cause: error,
  });
}
