import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { NewAgentCredential } from '@cleocode/contracts';
import { type Dock, openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { openStore } from '@cleocode/store';
import { expect, onTestFinished } from 'vitest';

export const BIN = join(import.meta.dirname, 'bin.js');
/** More of a key than its first 11 characters. */
const KEY = /sk_(?:live|test)_[0-9a-zA-Z]{4}/;

export type Line = Record<string, unknown>;

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface SpawnOptions {
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** A machine of its own for one test: a working directory, a home, and everything that ran there. */
export class Sandbox {
  readonly root = mkdtempSync(join(tmpdir(), 'cleo-cli-'));
  readonly cwd = join(this.root, 'work');
  readonly #running = new Set<Running>();

  constructor() {
    mkdirSync(this.cwd);
    onTestFinished(async () => {
      for (const one of this.#running) await one.kill();
      rmSync(this.root, { recursive: true, force: true });
    });
  }

  get stateDir(): string {
    return join(this.cwd, '.cleo');
  }

  /** Runs a command to its end. */
  async cleo(args: string[], options: SpawnOptions = {}): Promise<Result> {
    const running = this.spawn(args, options);
    const { code } = await running.exit;
    return { code, stdout: running.stdout, stderr: running.stderr };
  }

  /** The same with `--json`: what it answered, parsed; stdout must hold nothing else. */
  async json(
    args: string[],
    options: SpawnOptions = {},
  ): Promise<{ code: number | null; lines: Line[]; stderr: string }> {
    const { code, stdout, stderr } = await this.cleo([...args, '--json'], options);
    return { code, lines: parse(stdout), stderr };
  }

  spawn(args: string[], { input, env, cwd }: SpawnOptions = {}): Running {
    const running = new Running(
      spawn(process.execPath, [BIN, ...args], { cwd: cwd ?? this.cwd, env: { ...this.env, ...env } }),
      input,
    );
    this.#running.add(running);
    return running;
  }

  /** Starts an agent and resolves when it is ready. */
  async start(args: string[], options: SpawnOptions = {}): Promise<Running> {
    const running = this.spawn(['agent', 'start', ...args, '--json'], options);
    await running.event('ready');
    return running;
  }

  get env(): NodeJS.ProcessEnv {
    const home = join(this.root, 'home');
    return {
      PATH: process.env.PATH,
      HOME: home,
      XDG_DATA_HOME: join(home, 'data'),
      XDG_CONFIG_HOME: join(home, 'config'),
      CLEO_DATA_DIR: join(this.root, 'keys'),
      NO_COLOR: '1',
    };
  }

  write(file: string, content: string): void {
    const path = join(this.cwd, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** Makes the kernel importable from configurations here. */
  installKernel(): void {
    this.install('kernel');
  }

  /** Makes packages of the workspace importable from configurations here, by their folders. */
  install(...folders: string[]): void {
    const scope = join(this.cwd, 'node_modules/@cleocode');
    mkdirSync(scope, { recursive: true });
    for (const folder of folders)
      symlinkSync(join(import.meta.dirname, '../..', folder), join(scope, folder));
  }

  /** What `cleo agent register` does for each of them, without its process. */
  async register(...ids: string[]): Promise<void> {
    await this.registerAt({ url: 'local:', dock: await this.dock() }, ...ids);
  }

  /** The same at a server. */
  async registerAt({ url, dock }: { url: string; dock: Dock }, ...ids: string[]): Promise<void> {
    for (const agentId of ids) {
      const { apiKey } = await dock.registerAgent({ agentId });
      await this.store({ agentId, apiKey, apiBaseUrl: url });
    }
  }

  /** What `cleo agent register` does with a key, without its process. */
  async store(credential: NewAgentCredential): Promise<void> {
    const store = await openStore({ dir: this.stateDir, dataDir: this.env.CLEO_DATA_DIR });
    await store.registry.register(credential);
    await store.close();
  }

  /** Sends as somebody who is known to the backend only; answers the message's id. */
  async sendAs(from: string, to: string, content: string): Promise<string> {
    const dock = await this.dock();
    await dock.getAgent(from).catch(() => dock.registerAgent({ agentId: from }));
    return (await dock.send(from, to, { content })).id;
  }

  /** The embedded backend. */
  dock(): Promise<Dock> {
    return openedDock(this.stateDir);
  }

  /** A backend of its own, as a server; it runs until the test is over. */
  async server(): Promise<{ url: string; dock: Dock }> {
    const dock = await openedDock(join(this.root, 'server'));
    const { url, close } = await serve({ dock, port: 0, rateLimit: { max: 0 } });
    onTestFinished(close);
    return { url, dock };
  }
}

async function openedDock(folder: string): Promise<Dock> {
  const dock = await openDock({ file: join(folder, 'signaldock.db'), retentionDays: 0 });
  onTestFinished(() => dock.close());
  return dock;
}

/** A `cleo` process. Whatever it prints is searched for keys. */
export class Running {
  stdout = '';
  stderr = '';
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** Without `input` stdin is empty; with `null` it stays open. */
  constructor(child: ChildProcess, input?: string | null) {
    this.#child = child;
    child.stdin!.on('error', () => {});
    if (input !== null) child.stdin!.end(input ?? '');
    child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
      this.#look();
    });
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
      this.#look();
    });
    this.exit = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = true;
        this.#look();
        expect(this.stdout + this.stderr).not.toMatch(KEY);
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get events(): Line[] {
    return parse(this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1));
  }

  /** The first event, past or to come, of that name and with these members. */
  event(name: string, members: Line = {}): Promise<Line> {
    return this.until(`event ${name}`, () =>
      this.events.find(
        (line) => line.event === name && Object.entries(members).every(([key, value]) => line[key] === value),
      ),
    );
  }

  until<T>(what: string, found: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = found();
        if (value === undefined && !this.#ended) return;
        this.#waiting.delete(look);
        if (value !== undefined) resolve(value);
        else reject(new Error(`ended without ${what}\n${this.stdout}\n${this.stderr}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  closeStdout(): void {
    this.#child.stdout!.destroy();
  }

  closeStderr(): void {
    this.#child.stderr!.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop; answers its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return (await this.exit).code;
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exit;
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

function parse(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** A configuration of the agent `bob` whose one plugin has this `setup` body. */
export function configWith(setup: string, rest = ''): string {
  return `import { defineConfig, definePlugin } from '@cleocode/kernel';
const test = definePlugin({ name: 'test-plugin', version: '1.0.0', apiVersion: 1, setup(ctx) { ${setup} } });
export default defineConfig({ agent: 'bob', plugins: [test()], ${rest} });
`;
}
