import { pause } from '@cleocode/contracts';
import { EXIT } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { onStopSignal } from '../signals.ts';
import { printable } from '../terminal-text.ts';
import { describe, wordFor } from './describe.ts';
import { Screen } from './screen.ts';
import type { Status } from './status.ts';

export interface WatchOptions {
  output: Output;
  /** Milliseconds between two looks. */
  intervalMs: number;
  verbose: boolean;
  look(): Promise<Status>;
}

/** Shown below the status: so many of the latest changes. */
const CHANGES = 5;

/** Shows how an agent is until a signal ends it: in place on a terminal, else a line each time something changes. */
export async function watch(options: WatchOptions): Promise<void> {
  const { output, look, intervalMs } = options;
  const ended = new AbortController();
  const unbind = onStopSignal(
    () => ended.abort(),
    () => process.exit(EXIT.interrupted),
  );
  const view = output.interactive ? new ScreenView(options) : new LineView(output);
  const stopped = new Promise<undefined>((resolve) => {
    ended.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  try {
    while (!ended.signal.aborted) {
      // A process that does not answer is no reason not to end.
      const status = await Promise.race([look(), stopped]);
      if (status) view.show(status);
      await pause(intervalMs, ended.signal);
    }
  } finally {
    unbind();
    view.close();
  }
}

interface View {
  show(status: Status): void;
  close(): void;
}

class ScreenView implements View {
  readonly #options: WatchOptions;
  readonly #screen = new Screen(process.stdout);
  readonly #changes: string[] = [];
  #status: Status | undefined;
  #at = '';

  constructor(options: WatchOptions) {
    this.#options = options;
    process.stdout.on('resize', this.#draw);
  }

  show(status: Status): void {
    this.#at = clock();
    const before = this.#status && stateOf(this.#status);
    const now = stateOf(status);
    if (before !== undefined && before !== now) this.#changes.unshift(`${this.#at}  ${now}`);
    this.#changes.splice(CHANGES);
    this.#status = status;
    this.#draw();
  }

  close(): void {
    process.stdout.off('resize', this.#draw);
    this.#screen.close();
    // What was to be seen last stays to be read.
    if (this.#status) this.#options.output.text(describe(this.#status, this.#options));
  }

  #draw = (): void => {
    if (!this.#status) return;
    const { output, intervalMs } = this.#options;
    const faint = (text: string) => output.style('dim', text);
    const text = describe(this.#status, { ...this.#options, columns: this.#screen.columns });
    const footer = faint(`${this.#at}, every ${intervalMs / 1_000} s. Ctrl-C ends it.`);
    this.#screen.draw([text, '', ...this.#changes.map((change) => `  ${faint(change)}`), footer].join('\n'));
  };
}

class LineView implements View {
  readonly #output: Output;
  #last = '';

  constructor(output: Output) {
    this.#output = output;
  }

  show(status: Status): void {
    const now = JSON.stringify(lasting(status));
    if (now === this.#last) return;
    this.#last = now;
    this.#output.result({ ok: true, ...status }, line(status));
  }

  close(): void {}
}

/** What is no change by itself is left out: ages, and the words of a problem that tell them. */
function lasting(status: Status): object {
  const { agentId, running, healthy, pid, problems } = status;
  const codes = problems.map(({ severity, code }) => `${severity} ${code}`);
  const known = { agentId, running, healthy, pid, codes };
  if (!('inbox' in status)) return known;
  const { state, transport, realtime, inbox, presence, key, plugins } = status;
  return {
    ...{ ...known, state, transport, inbox, plugins },
    ...{ realtime: realtime.state, presence: presence.state, key: [key?.state, key?.issuedAt] },
  };
}

/** What a person would call a change. */
function stateOf(status: Status): string {
  const { pid } = status;
  const where = pid === undefined ? '' : ` (process ${pid})`;
  const stream =
    'realtime' in status && status.realtime.state !== 'off' ? `, stream ${status.realtime.state}` : '';
  const codes = status.running ? status.problems.map(({ code }) => printable(code)).join(', ') : '';
  return `${wordFor(status)}${where}${stream}${codes && `: ${codes}`}`;
}

function line(status: Status): string {
  const counts =
    'inbox' in status
      ? `, ${status.inbox.inFlight} in flight, ${status.inbox.queued} queued, ${status.inbox.done} done, ${status.inbox.failed} failed, ${status.inbox.dead} dead`
      : '';
  return `${clock()} ${status.agentId} ${stateOf(status)}${counts}`;
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}
