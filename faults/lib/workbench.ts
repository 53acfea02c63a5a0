import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dock, openDock } from '@cleocode/signaldock';
import { HttpTransport } from '@cleocode/transport-http';
import { AgentProcess } from './agent-process.ts';
import { exposedBy } from './exposed.ts';
import { Gateway } from './gateway.ts';
import { Ledger } from './ledger.ts';
import { Measurements } from './measurements.ts';
import type { SenderOptions } from './sender.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The command under test. */
export const CLEO = join(ROOT, 'packages/cleo/src/bin.js');
/** How often it is looked at what others can read of the processes, in milliseconds. */
const LOOK_MS = 250;
/** Gives the agents under test the handler that keeps the ledger. */
export const CONFIG = join(import.meta.dirname, '../fixtures/ledger.config.ts');

export interface RunOptions {
  full: boolean;
  seed: number;
  backend: Backend;
}

/**
 * Where the agents meet: one file on this machine, or a server process behind a gateway, with its stream (`http`) or without it
 * (`polling`).
 */
export type Backend = 'embedded' | 'http' | 'polling';

/** A scenario's own world: a state folder, the processes it starts, and what they leave behind. */
export class Workbench extends Measurements {
  readonly full: boolean;
  readonly backend: Backend;
  readonly folder = mkdtempSync(join(tmpdir(), 'cleo-faults-'));
  readonly stateDir = join(this.folder, 'state/.cleo');
  readonly ledger = new Ledger(join(this.folder, 'ledger.jsonl'));
  readonly gate = join(this.folder, 'gate');
  /** Keys given out beside those in the agent's store and those that the gateway sees; none may show up anywhere either. */
  readonly keys: string[] = [];
  /** What server processes are given beside the environment of all. */
  serverEnv: Record<string, string> = {};
  readonly #processes: AgentProcess[] = [];
  readonly #cleanUps: (() => void | Promise<void>)[] = [];
  readonly #exposed = new Set<string>();
  readonly #looking = setInterval(() => this.#look(), LOOK_MS).unref();
  #random: number;
  #dock: Dock | undefined;
  #server: AgentProcess | undefined;
  #serverUrl = 'http://127.0.0.1:1';
  #gateway: Gateway | undefined;
  #files = 0;

  constructor({ full, seed, backend }: RunOptions) {
    super();
    this.full = full;
    this.backend = backend;
    this.#random = seed >>> 0;
  }

  /** The agents meet at a server. */
  get remote(): boolean {
    return this.backend !== 'embedded';
  }

  /** Repeatable: the seed is printed with each run. */
  random(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return this.#random / 2 ** 32;
  }

  get env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.folder,
      CLEO_DIR: this.stateDir,
      CLEO_DATA_DIR: join(this.folder, 'data'),
      FAULTS_LEDGER: this.ledger.file,
      FAULTS_GATE: this.gate,
      ...(this.backend === 'polling' && { FAULTS_STREAM: 'none' }),
    };
  }

  /** Runs one `cleo` command to its end. */
  async cleo(
    ...args: string[]
  ): Promise<{ code: number | null; lines: Record<string, unknown>[]; output: string }> {
    const child = this.spawn([CLEO, ...args, '--json']);
    const { code } = await child.exit;
    return { code, lines: child.events, output: child.output };
  }

  /** Starts the agent under test with the ledger handler; `env` tunes it. */
  agent(id: string, env: Record<string, string | number> = {}, args: string[] = []): AgentProcess {
    return this.spawn([CLEO, 'agent', 'start', id, '--config', CONFIG, '--json', ...args], env);
  }

  /** Starts a Node process; a `cleo` command tells all it can, so that the search for keys sees it. */
  spawn(
    [program, ...args]: string[],
    env: Record<string, string | number> = {},
    input?: string,
  ): AgentProcess {
    const loud = program === CLEO ? ['--log-level', 'debug'] : [];
    const extra = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)]));
    const child = new AgentProcess(process.execPath, [program!, ...loud, ...args], {
      cwd: this.folder,
      env: { ...this.env, ...extra },
      input,
    });
    this.#processes.push(child);
    return child;
  }

  /** Registers the agent under test through the command line, and its correspondents in the dock. */
  async register(agent: string, others: string[] = []): Promise<void> {
    const at = this.remote ? ['--api-url', (await this.gateway()).url] : [];
    if (this.remote) await this.server();
    const { code, output } = await this.cleo('agent', 'register', agent, ...at);
    if (code !== 0) throw new Error(`register failed: ${output}`);
    const dock = await this.dock();
    for (const agentId of others)
      this.keys.push((await dock.registerAgent({ agentId, name: agentId })).apiKey);
  }

  /** An agent in this process that speaks to the backend through the gateway, or to the address given. */
  async client(agentId: string, apiBaseUrl?: string): Promise<HttpTransport> {
    const { apiKey } = await (await this.dock()).registerAgent({ agentId });
    this.keys.push(apiKey);
    const transport = new HttpTransport();
    await transport.connect({ agentId, apiKey, apiBaseUrl: apiBaseUrl ?? (await this.gateway()).url });
    this.onCleanUp(() => transport.disconnect());
    return transport;
  }

  /** What the agents know as the server's address. */
  async gateway(): Promise<Gateway> {
    this.#gateway ??= await Gateway.start(() => this.#serverUrl);
    return this.#gateway;
  }

  /** The server process; started when none runs. */
  async server(): Promise<AgentProcess> {
    return this.#server?.running ? this.#server : this.serve();
  }

  /** Starts a server process, on the same data however often. */
  async serve(...args: string[]): Promise<AgentProcess> {
    const data = join(this.folder, 'server');
    const limits = args.includes('--rate-limit') ? [] : ['--rate-limit', '0'];
    const command = ['signaldock', 'serve', '--port', '0', '--data', data, '--json', ...limits, ...args];
    this.#server = this.spawn([CLEO, ...command], this.serverEnv);
    const { url } = await this.#server.event('listening');
    this.#serverUrl = url as string;
    return this.#server;
  }

  /** The backend's file: the agents' own, or the server's. */
  get dockFile(): string {
    return join(this.remote ? join(this.folder, 'server') : this.stateDir, 'signaldock.db');
  }

  async dock(): Promise<Dock> {
    this.#dock ??= await openDock({ file: this.dockFile });
    return this.#dock;
  }

  /** What others will see of an agent at that time if nothing happens until then. */
  async statusAt(agentId: string, time: number): Promise<string> {
    // One process has one dock of a file, with one clock.
    await this.#dock?.close();
    this.#dock = undefined;
    const dock = await openDock({ file: this.dockFile, now: () => time });
    const { status } = await dock.presence(agentId);
    await dock.close();
    return status;
  }

  /** Starts a process that sends; `sent()` reads which ids the backend confirmed so far. */
  sender(options: Omit<SenderOptions, 'dock' | 'sentFile'>): Sender {
    this.#files += 1;
    const sentFile = join(this.folder, `sent-${this.#files}`);
    const all: SenderOptions = { ...options, dock: this.dockFile, sentFile };
    const child = this.spawn([join(import.meta.dirname, 'sender.ts'), JSON.stringify(all)]);
    const sent = (): string[] => {
      try {
        return readFileSync(sentFile, 'utf8').trim().split('\n').filter(Boolean);
      } catch {
        return [];
      }
    };
    return { child, sent };
  }

  /** Sends and waits: answers the ids the backend confirmed. Throws when a send failed. */
  async send(options: Omit<SenderOptions, 'dock' | 'sentFile'>): Promise<string[]> {
    const { child, sent } = this.sender(options);
    const { code } = await child.exit;
    if (code !== 0) throw new Error(`the sender ended with ${code}: ${child.output}`);
    const summary = JSON.parse(child.output.trim().split('\n').at(-1)!) as { errors: number };
    if (summary.errors > 0) throw new Error(`${summary.errors} sends failed: ${child.output}`);
    return sent();
  }

  /** Messages the backend still holds unread for the agent. */
  async unread(agentId: string): Promise<number> {
    const dock = await this.dock();
    return (await dock.peek(agentId, { limit: 200 })).length;
  }

  /** Makes the backend show every message again, as one that lost its acks would. */
  async forgetAcks(): Promise<void> {
    await this.release();
    const database = new DatabaseSync(this.dockFile);
    database.exec('UPDATE messages SET read_at = NULL, delivered_at = NULL');
    database.close();
    if (this.remote) await this.serve();
  }

  /** Writes a file that goes with the scenario, into its folder unless the path is absolute, and answers its path. */
  write(path: string, text: string): string {
    const file = resolve(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    this.onCleanUp(() => rmSync(file, { force: true }));
    return file;
  }

  onCleanUp(cleanUp: () => void | Promise<void>): void {
    this.#cleanUps.push(cleanUp);
  }

  /** Every key that anybody was given, also those that work no more; beside those in the agent's store. */
  issued(): string[] {
    return [...this.keys, ...(this.#gateway?.keys ?? [])];
  }

  /** The addresses of all requests. */
  addresses(): string {
    return (this.#gateway?.seen ?? []).map(({ path, query }) => `${path}?${query}`).join('\n');
  }

  /** What others could read of the processes while they ran. */
  exposed(): string {
    return [...this.#exposed].join('\n');
  }

  /** Everything any process printed. */
  get outputs(): string {
    return this.#processes.map(({ output }) => output).join('\n');
  }

  /** The plain text of the files the agent left, for the search for keys. */
  files(): string {
    const everything = readdirSync(this.folder, { recursive: true, withFileTypes: true });
    return everything
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
      .join('\n');
  }

  /** Ends every process and closes what this one holds open. */
  async release(): Promise<void> {
    await Promise.all(this.#processes.filter(({ running }) => running).map((child) => child.kill()));
    await this.#dock?.close();
    this.#dock = undefined;
  }

  async dispose(): Promise<void> {
    clearInterval(this.#looking);
    await this.release();
    await this.#gateway?.close();
    for (const cleanUp of this.#cleanUps.reverse()) await cleanUp();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #look(): void {
    for (const { pid } of this.#processes.filter(({ running }) => running))
      for (const text of exposedBy(pid)) this.#exposed.add(text);
  }
}

export interface Sender {
  child: AgentProcess;
  sent(): string[];
}

/** Waits until `condition` holds; rejects after `ms` with `what` was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 30_000,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(25);
  }
}
