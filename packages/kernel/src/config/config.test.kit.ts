import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Job, Outcome } from './config.test.worker.ts';
import type { LoadConfigOptions } from './load.ts';

/** A file's text; an object is written as JSON. */
export type Files = Record<string, string | object>;

/** The fields of an error as they came from the worker. */
export interface Failure {
  name: string;
  code: string;
  message: string;
  hint: string;
  plugin?: string;
  details: Record<string, unknown>;
  cause?: { name: string; message: string; code?: string; thrown?: unknown };
}

/** Real projects on disk, and a real Node that loads their configurations. */
export class Bench {
  /** The home folder of the worker; every project is inside. */
  readonly home = join(realpathSync(mkdtempSync(join(tmpdir(), 'cleo-config-'))), 'home');
  readonly #worker: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #last = 0;
  /** Everything the worker wrote. */
  output = '';
  /** Resolves when the worker waits for work; a busy machine takes its time. */
  readonly ready: Promise<void>;

  constructor() {
    mkdirSync(this.home);
    const { NODE_OPTIONS, npm_config_user_agent, ...env } = process.env;
    this.#worker = fork(new URL('./config.test.worker.ts', import.meta.url), {
      cwd: this.home,
      env: { ...env, HOME: this.home },
      execArgv: [],
      silent: true,
    });
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.ready = new Promise((resolve, reject) => {
      this.#worker.once('message', () => resolve());
      this.#worker.once('exit', () => reject(new Error(`the worker ended: ${this.output}`)));
    });
    this.#worker.on('message', ({ id, outcome }: { id: number; outcome: Outcome }) => {
      this.#waiting.get(id)?.(outcome);
      this.#waiting.delete(id);
    });
  }

  /** Writes the files into a new folder that can import the packages of this repository. */
  project(files: Files): string {
    const folder = mkdtempSync(join(this.home, 'project-'));
    write(folder, files);
    const scope = join(folder, 'node_modules', '@cleocode');
    mkdirSync(scope, { recursive: true });
    for (const name of ['kernel', 'contracts'])
      symlinkSync(realpathSync(join(import.meta.dirname, `../../../${name}`)), join(scope, name));
    return folder;
  }

  /** Loads what is found from `cwd`; fails when that fails. */
  async load(cwd: string, options: LoadConfigOptions = {}): Promise<Outcome> {
    const outcome = await this.#ask({ cwd, ...options });
    if (outcome.error) throw new Error(`not loaded: ${JSON.stringify(outcome.error, null, 2)}`);
    return outcome;
  }

  /** How loading fails; fails when it does not. */
  async failure(cwd: string, options: LoadConfigOptions = {}): Promise<Failure> {
    const outcome = await this.#ask({ cwd, ...options });
    if (!outcome.error) throw new Error(`loaded: ${JSON.stringify(outcome, null, 2)}`);
    return outcome.error as unknown as Failure;
  }

  close(): void {
    this.#worker.kill();
    rmSync(dirname(this.home), { recursive: true, force: true });
  }

  #ask(options: LoadConfigOptions): Promise<Outcome> {
    const job: Job = { id: ++this.#last, options };
    return new Promise((resolve) => {
      this.#waiting.set(job.id, resolve);
      this.#worker.send(job);
    });
  }
}

export function write(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
}
