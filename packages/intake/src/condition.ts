import { CleoError } from '@cleocode/contracts';

/** Hears of changes of state: what began to fail, what works again. */
export interface IntakeReporter {
  /** `part` began to fail, or fails in another way now. Not called again while it goes on failing alike. */
  failing(part: string, error: unknown): void;
  /** `part` works again, after so many failures in a row. */
  recovered(part: string, failures: number): void;
}

/** Whether one part of the intake works, reported once per change and not once per failure. */
export class Condition {
  readonly #part: string;
  readonly #reporter: IntakeReporter;
  #failures = 0;
  #error: unknown;

  constructor(part: string, reporter: IntakeReporter) {
    this.#part = part;
    this.#reporter = reporter;
  }

  /** In a row; 0 while it works. */
  get failures(): number {
    return this.#failures;
  }

  /** The latest failure; `undefined` while it works. */
  get error(): unknown {
    return this.#error;
  }

  fail(error: unknown): void {
    const known = this.#failures > 0 && kind(this.#error) === kind(error);
    this.#failures += 1;
    this.#error = error;
    if (!known) this.#reporter.failing(this.#part, error);
  }

  ok(): void {
    const failures = this.#failures;
    this.#failures = 0;
    this.#error = undefined;
    if (failures > 0) this.#reporter.recovered(this.#part, failures);
  }
}

/** What makes two failures the same one, whatever numbers their messages hold. */
function kind(error: unknown): string {
  if (CleoError.is(error)) return error.code;
  if (error instanceof Error) return String((error as { code?: unknown }).code ?? error.name);
  return typeof error;
}
