/** Programs that run beside a check, as on a machine of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

type Fields = Record<string, unknown>;

const DEADLINE_MS = 30_000;

/** A program under way, whose stdout is lines. */
export class Running {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exit: Promise<void>;
  #stderr = '';
  #onLine = () => {};

  constructor(args: string[], cwd: string, env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#exit = new Promise((resolve) => child.once('close', () => resolve()));
    child.stderr.on('data', (chunk) => (this.#stderr += chunk));
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#onLine();
    });
  }

  /** The first of its lines, which are JSON, that is as wanted; rejects with all it said when it ends, or is late. */
  line(isWanted: (line: Fields) => boolean): Promise<Fields> {
    return new Promise((resolve, reject) => {
      const fail = (how: string) => {
        clearTimeout(timer);
        reject(new Error(`${how}\n${[...this.#lines, this.#stderr].join('\n')}`));
      };
      const timer = setTimeout(fail, DEADLINE_MS, `not within ${DEADLINE_MS / 1000} s`);
      this.#onLine = () => {
        const wanted = this.#lines.map((line) => JSON.parse(line) as Fields).find(isWanted);
        if (!wanted) return;
        clearTimeout(timer);
        resolve(wanted);
      };
      this.#onLine();
      void this.#exit.then(() => fail('it ended'));
    });
  }

  async end(): Promise<void> {
    this.#child.kill();
    const force = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
    await this.#exit;
    clearTimeout(force);
  }
}

/** The command, where npm has put it. */
export function bin(folder: string): string {
  return join(folder, 'node_modules/@cleocode/cleo/dist/bin.js');
}

/** A machine of its own. */
export function environment(place: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const [home, state] = [join(place, 'home'), join(place, '.cleo')];
  mkdirSync(home);
  return {
    PATH: process.env.PATH,
    HOME: home,
    CLEO_DATA_DIR: join(place, 'keys'),
    CLEO_DIR: state,
    NO_COLOR: '1',
    ...more,
  };
}
