import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface AgentEvent {
  event: string;
  [field: string]: unknown;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A real process under test: its events as they come, all it ever printed, and its end. */
export class AgentProcess {
  readonly events: AgentEvent[] = [];
  readonly exit: Promise<Exit>;
  output = '';
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #ended: Exit | undefined;

  /** `input`: what it is given on stdin. Default: nothing. */
  constructor(
    command: string,
    args: string[],
    { input, ...options }: { cwd: string; env: NodeJS.ProcessEnv; input?: string | undefined },
  ) {
    this.#child = spawn(command, args, {
      ...options,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.#child.stdin?.on('error', () => {}); // One that does not read it says why when it ends.
    this.#child.stdin?.end(input);
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.output += chunk.toString();
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.output += `${line}\n`;
      if (!line.startsWith('{')) return;
      this.events.push(JSON.parse(line) as AgentEvent);
      for (const look of this.#waiting) look();
    });
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#ended = { code, signal };
        for (const look of this.#waiting) look();
        resolve(this.#ended);
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#ended === undefined;
  }

  /** The first event, past or future, that `wanted` accepts; rejects after `ms` or when the process ends without it. */
  event(wanted: string | ((event: AgentEvent) => boolean), ms = 20_000): Promise<AgentEvent> {
    const accepts = typeof wanted === 'string' ? (event: AgentEvent) => event.event === wanted : wanted;
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        end();
      };
      const look = (): void => {
        const found = this.events.find(accepts);
        if (found) settle(() => resolve(found));
        else if (this.#ended)
          settle(() =>
            reject(
              new Error(`the process ended (${JSON.stringify(this.#ended)}) before the event\n${this.tail}`),
            ),
          );
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no such event within ${ms} ms\n${this.tail}`))),
        ms,
      );
      this.#waiting.add(look);
      look();
    });
  }

  ready(): Promise<AgentEvent> {
    return this.event('ready');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exit;
  }

  /** Asks it to stop and answers how it ended. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exit;
  }

  get tail(): string {
    return this.output.slice(-2_000);
  }
}
