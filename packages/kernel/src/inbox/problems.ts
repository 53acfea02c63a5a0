import { CleoError, errorText, type InboxEvent, type InboxStats, type Problem } from '@cleocode/contracts';

export type ProblemEvent = Extract<InboxEvent, { type: 'problem' }>;

/** What keeps the inbox from working now: each problem is announced once when it begins and once when it ends. */
export class Problems {
  readonly #emit: (event: ProblemEvent) => void;
  readonly #open = new Map<string, Problem & { since: number }>();

  constructor(emit: (event: ProblemEvent) => void) {
    this.#emit = emit;
  }

  report(problem: Problem): void {
    if (this.#open.has(problem.code)) return;
    this.#open.set(problem.code, { ...problem, since: performance.now() });
    this.#emit({ type: 'problem', ...problem, resolved: false });
  }

  /** Ends the problems whose code begins with `prefix`. */
  resolve(prefix: string): void {
    for (const { since: _, ...problem } of this.#open.values()) {
      if (!problem.code.startsWith(prefix)) continue;
      this.#open.delete(problem.code);
      this.#emit({ type: 'problem', ...problem, resolved: true });
    }
  }

  list(): InboxStats['problems'] {
    return [...this.#open.values()].map(({ since, ...problem }) => ({
      ...problem,
      sinceMs: Math.round(performance.now() - since),
    }));
  }
}

export const NO_HANDLER: Problem = {
  code: 'no_handler',
  message: 'no plugin handles messages: they wait at the backend',
  hint: 'Add a plugin that handles messages; with createRuntime, give poller.onMessage a handler.',
};

export function acksFailing(error: unknown): Problem {
  return {
    code: 'ack_failing',
    message: `acks are not getting through: ${errorText(error)}`,
    hint: 'They are sent again by themselves. If it lasts, look at the backend.',
  };
}

export function journalStalled(whose: string, ms: number): Problem {
  return {
    code: 'storage_stalled',
    message: `${whose} has not answered for ${ms} ms`,
    hint: 'Look at the disk that the state folder is on.',
  };
}

/** `E_STORAGE_FULL` as an operator reads it: `storage_full`. Anything without such a code is a `storage_error`, and names whose journal it is. */
export function journalFailing(whose: string, error: unknown): Problem {
  const known = CleoError.is(error) ? error : undefined;
  return {
    ...(known?.code.startsWith('E_STORAGE_')
      ? { code: known.code.slice(2).toLowerCase(), message: errorText(error) }
      : { code: 'storage_error', message: `${whose} failed: ${errorText(error)}` }),
    hint: known?.hint ?? 'Nothing is acked until the journal can be written; that is tried again by itself.',
  };
}
