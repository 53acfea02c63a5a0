import { CleoError, errorText, type InboxEvent, type InboxStats } from '@cleocode/contracts';

export type ProblemEvent = Extract<InboxEvent, { type: 'problem' }>;

/** What keeps the inbox from working now: each problem is announced once when it begins and once when it ends. */
export class Problems {
  readonly #emit: (event: ProblemEvent) => void;
  readonly #open = new Map<string, { message: string; since: number }>();

  constructor(emit: (event: ProblemEvent) => void) {
    this.#emit = emit;
  }

  report(code: string, message: string): void {
    if (this.#open.has(code)) return;
    this.#open.set(code, { message, since: performance.now() });
    this.#emit({ type: 'problem', code, message, resolved: false });
  }

  /** Ends the problems whose code begins with `prefix`. */
  resolve(prefix: string): void {
    for (const [code, { message }] of this.#open) {
      if (!code.startsWith(prefix)) continue;
      this.#open.delete(code);
      this.#emit({ type: 'problem', code, message, resolved: true });
    }
  }

  list(): InboxStats['problems'] {
    return [...this.#open].map(([code, { message, since }]) => ({
      code,
      message,
      sinceMs: Math.round(performance.now() - since),
    }));
  }
}

/** `E_STORAGE_FULL` as an operator reads it: `storage_full`. Anything without such a code is a `storage_error`. */
export function storageProblem(error: unknown): { code: string; message: string } {
  const storage = CleoError.is(error) && error.code.startsWith('E_STORAGE_');
  return { code: storage ? error.code.slice(2).toLowerCase() : 'storage_error', message: errorText(error) };
}
