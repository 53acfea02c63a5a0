/** Notes the errors that reach nobody: in an agent, each of them ends the process. */
export class Escapes {
  readonly found: unknown[] = [];
  readonly #note = (error: unknown): void => void this.found.push(error);

  constructor() {
    process.on('unhandledRejection', this.#note);
    process.on('uncaughtException', this.#note);
  }

  close(): void {
    process.off('unhandledRejection', this.#note);
    process.off('uncaughtException', this.#note);
  }
}
